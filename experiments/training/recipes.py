"""Settings that suit a model and a data set, chosen on the validation set."""

from experiments.training.config import Config

_COMMON = {
    "activation": "relu",
    "pooling": "max",
    "width": 1024,
    "depth": 3,
    "batch_norm": True,
    "dropout": 0.0,
    "stochastic_depth": 0.0,
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "linear",
    "batch_size": 500,
    "epochs": 20.0,
    "flip": True,
    "crop": 0,
    "cutout": 0,
    "test_views": "flips",
}

_MODELS: dict[str, dict] = {
    "linear": {"learning_rate": 0.01, "epochs": 30.0},
    "two_layer": {"epochs": 30.0, "learning_rate": 0.05, "weight_decay": 5e-4, "crop": 2},
    "mlp": {"epochs": 60.0, "learning_rate": 0.05, "weight_decay": 5e-4, "crop": 2, "dropout": 0.2},
    # Keller Jordan's airbench94_muon, whose rates are for a loss summed over a batch of 2000.
    "convnet": {
        "activation": "gelu",
        "width": 256,
        "label_smoothing": 0.2,
        "optimizer": "muon",
        "learning_rate": 0.24,
        "momentum": 0.85,
        "weight_decay": 0.004,
        "batch_size": 2000,
        "epochs": 10.0,
        "crop": 2,
        "test_views": "flips_and_shifts",
    },
}

# A fifth of CIFAR-10's pictures, and easier ones.
_EMBEDDED_EPOCHS = {"linear": 10.0, "two_layer": 15.0, "mlp": 15.0, "convnet": 8.0}


def fill(config: Config, dataset: str) -> Config:
    """``config`` with every setting that was left out."""
    defaults = _COMMON | _MODELS[config.model]
    if dataset == "embedded":
        defaults["epochs"] = _EMBEDDED_EPOCHS[config.model]
    return config.filled(defaults)

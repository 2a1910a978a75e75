"""Settings that suit a model, chosen on the validation set; the command line that starts from them."""

import argparse
import dataclasses

import tyro

from experiments.training.config import Config

_PERCEPTRON = {
    "activation": "relu",
    "width": 1024,
    "label_smoothing": 0.0,
    "optimizer": "sgd",
    "momentum": 0.9,
    "batch_size": 500,
    "test_views": "flips",
}

# What differs from Config's own defaults, which are convnet's: those of Keller Jordan's airbench94_muon.
_MODELS: dict[str, dict] = {
    "convnet": {},
    "linear": _PERCEPTRON
    | {
        "learning_rate": 0.003,
        "label_smoothing": 0.1,
        "weight_decay": 0.0,
        "penalty": "l2",
        "penalty_strength": 1e-3,
        "crop": 1,
    },
    "two_layer": _PERCEPTRON | {"learning_rate": 0.05, "weight_decay": 5e-4},
    "mlp": _PERCEPTRON
    | {
        "activation": "gelu",
        "dropout": 0.1,
        "label_smoothing": 0.1,
        "learning_rate": 0.1,
        "weight_decay": 1e-3,
        "batch_size": 1000,
        "crop": 3,
    },
}

# The embedded pictures are a fifth of CIFAR-10's, and easier.
_EPOCHS = {
    "cifar10": {"linear": 50.0, "two_layer": 20.0, "mlp": 40.0, "convnet": 12.0},
    "embedded": {"linear": 10.0, "two_layer": 15.0, "mlp": 15.0, "convnet": 8.0},
}


def recipe(model: str) -> Config:
    """The settings of a model."""
    return Config(**{"model": model, **_MODELS[model]})


def with_epochs(config: Config, dataset: str) -> Config:
    """``config`` with the number of epochs that suits model and data set, if none was given."""
    if config.epochs is not None:
        return config
    return dataclasses.replace(config, epochs=_EPOCHS[dataset][config.model])


def parse(arguments: list[str] | None = None) -> Config:
    """The command line. The model is read first, because the other defaults are its own."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--model", default="convnet")
    model = first.parse_known_args(arguments)[0].model
    start = recipe(model if model in _MODELS else "convnet")
    return tyro.cli(Config, args=arguments, default=start, prog="python -m experiments.cifar")

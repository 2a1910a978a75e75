"""What a run is: one flat record, which is the command line, the file beside the results and the title of the run."""

import dataclasses
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.training.errors import UsageError

Activation = Literal["relu", "leaky_relu", "prelu", "elu", "gelu", "sigmoid", "tanh", "step", "identity", "maxout"]
Loss = Literal["cross_entropy", "hinge", "mse", "squared_error", "l1", "binary_cross_entropy", "triplet"]
Penalty = Literal["none", "l1", "l2", "elastic_net"]
Recipe = Literal["airbench94", "fast94", "fast95", "fast96"]
EPOCHS = 100_000  # at most


@dataclass(frozen=True)
class Config:
    """Train a network on CIFAR-10 with hand-written gradients.

    The defaults shown are those of the model: see --model mlp --help.
    """

    dataset: Literal["auto", "cifar10", "embedded"] = "auto"
    """Pictures: the real CIFAR-10, or the embedded ones drawn by code; auto takes CIFAR-10 where it can be had."""
    data_dir: Path | None = None
    """A folder with CIFAR-10, in the python or the binary version."""
    data_url: str | None = None
    """Where to download CIFAR-10's python version from, in place of its home page."""
    model: Literal["linear", "two_layer", "mlp", "convnet"] = "convnet"
    """The network, from 10 weighted sums of the pixels to a small convolutional network."""
    recipe: Recipe | None = None
    """Settings of convnet to start from: the speed record's, or ours for 94, 95 or 96 % (fast94 if left out)."""
    gradients: Literal["manual", "automatic"] = "manual"
    """manual: derived by hand, in manualnet. automatic: the same network differentiated by PyTorch."""

    activation: Activation = "gelu"
    """What a hidden unit does with its weighted sum."""
    width: int = 256
    """Hidden units a layer (channels of the last group, for convnet)."""
    depth: int = 3
    """Hidden layers of mlp."""
    convolutions: int = 2
    """Convolutions in each of convnet's three groups; of three or more, those after the first are a residual block."""
    pooling: Literal["max", "average", "stochastic"] = "max"
    """How convnet shrinks its pictures."""
    fused: bool = True
    """Compute batch normalisation and the GELU or ReLU after it as one operation."""
    batch_norm: bool = True
    """Normalise every hidden unit over the batch."""
    dropout: float = 0.0
    """Probability with which a hidden unit is dropped in training."""
    stochastic_depth: float = 0.0
    """Probability with which an inner block is dropped in training; above 0 the inner blocks are residual."""

    loss: Loss = "cross_entropy"
    """What is minimised. mse, squared_error, l1: against one-hot targets on raw scores."""
    label_smoothing: float = 0.2
    """Share of the target's probability that is spread over all classes (cross_entropy only)."""
    penalty: Penalty = "none"
    """Added to the loss, over all weights (not biases): sum of |w|, of w², or of beta w² + |w|."""
    penalty_strength: float = 1e-4
    """The penalty's factor, the lecture's lambda."""
    penalty_beta: float = 0.5
    """Elastic net's beta."""

    optimizer: Literal["sgd", "adamw", "muon"] = "muon"
    """How weights follow the gradient. muon: orthogonal steps for the hidden weights, sgd for the rest."""
    learning_rate: float = 0.24
    """Size of a step."""
    momentum: float = 0.85
    """Share of the last step that is kept (sgd)."""
    weight_decay: float = 0.004
    """Share by which weights shrink, times the learning rate."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """How the learning rate falls to 0 over the run."""
    batch_size: int = 2000
    """Pictures a step."""
    epochs: float | None = None
    """Times that training sees every picture; by default as many as suit model and data set."""
    max_steps: int | None = None
    """Stop after this many steps, if that is sooner. For trying out."""

    flip: bool = True
    """Mirror pictures at random: every picture alternately, in successive epochs."""
    crop: int = 2
    """Shift pictures at random by up to this many pixels."""
    cutout: int = 0
    """Blank a square of this many pixels at a random place."""
    resolutions: tuple[int, ...] = (32,)
    """Sides in pixels to which pictures are scaled in training, each for an equal share of the run (convnet only)."""
    test_views: Literal["one", "flips", "flips_and_shifts", "doubtful"] = "flips_and_shifts"
    """Evaluate the picture, or the mean over its mirror image, or over shifts by a pixel as well; doubtful: over all of
    these for the fifth of the pictures whose two best scores are closest, one view for the others."""

    skip: float = 0.0
    """Share of the pictures that epochs of the second half leave out: those whose loss was least when last seen."""
    freeze: float = 1.0
    """Share of the run after which convnet's first group stays as it is, which saves a sixth of a step."""
    freeze_whitening: float = 0.375
    """Share of the run after which the bias of convnet's whitening layer stays as it is, if that is before freeze."""

    train_on_all: bool = False
    """Train on all 50,000 pictures, without a validation set. For a final run, when everything has been chosen."""
    test: bool = True
    """Use the test set at the end. --no-test while you are still choosing: the validation set is there for that."""
    seed: int = 0
    """Of the weights, the order of the pictures and their changes. The split has a fixed seed of its own."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    precision: Literal["auto", "float64", "float32", "bfloat16"] = "auto"
    """Number type. bfloat16 (auto, where the processor has it) is autocast: weights stay float32."""
    threads: int | None = None
    """Processor threads; PyTorch's default if left out."""

    run_name: str | None = None
    """Name of the run's folder; made from model, gradients, seed and time if left out."""
    runs_dir: Path = Path("runs")
    """Where the run's folder is made."""
    resume: Path | None = None
    """Folder of a run that was stopped: go on after its last whole epoch, with its settings."""

    def record(self) -> dict:
        """As JSON has it; where the files lie on this machine is left out."""
        places = {"data_dir", "runs_dir", "resume"}
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in places}


def check(config: Config) -> None:
    """Refuse numbers that make no sense, before anything is loaded."""
    ranges = {
        "width": (4 if config.model == "convnet" else 1, 1 << 16),
        "depth": (1, 1000),
        "convolutions": (1, 1000),
        "freeze": (0, 1),
        "freeze_whitening": (0, 1),
        "dropout": (0, 1),
        "stochastic_depth": (0, 1),
        "label_smoothing": (0, 1),
        "penalty_strength": (0, None),
        "penalty_beta": (0, None),
        "learning_rate": (0, None),
        "weight_decay": (0, None),
        "batch_size": (1, None),
        "max_steps": (1, None),
        "skip": (0, 0.99),
        "crop": (0, 31),
        "cutout": (0, 32),
        "threads": (1, 1024),
        "seed": (0, 2**63 - 1),
    }
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        # Written so that NaN fails too.
        if value is not None and not (low <= value <= (sys.float_info.max if high is None else high)):
            wanted = f"at least {low}" if high is None else f"from {low} to {high}"
            wanted += " and finite" if value == math.inf else ""
            raise UsageError(f"--{name.replace('_', '-')} must be {wanted}, and is {value}")
    if not config.resolutions or not all(9 <= side <= 64 for side in config.resolutions):
        raise UsageError(f"--resolutions must be one or more sides from 9 to 64, and is {_words(config.resolutions)}")
    if config.model != "convnet" and set(config.resolutions) != {32}:
        given = _words(config.resolutions)
        raise UsageError(f"--resolutions {given}: --model {config.model} takes pictures of 32 pixels only; use convnet")
    if not 0 <= config.momentum < 1:
        raise UsageError(f"--momentum must be at least 0 and below 1, and is {config.momentum}")
    if config.epochs is not None and not 0 < config.epochs <= EPOCHS:
        raise UsageError(f"--epochs must be more than 0 and at most {EPOCHS:,}, and is {config.epochs}")
    if config.batch_norm and config.batch_size == 1:
        raise UsageError("--batch-size 1 leaves batch normalisation nothing to average: use 2 or --no-batch-norm")


def _words(values: tuple) -> str:
    return " ".join(map(str, values)) or "none"

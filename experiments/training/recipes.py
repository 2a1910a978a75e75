"""Recipes: named settings, chosen on the validation set; the command line that starts from them."""

import argparse
import dataclasses
from pathlib import Path
from typing import get_args

import tyro

from experiments.training import checkpoint
from experiments.training.config import Config, Recipe
from experiments.training.errors import UsageError

_PERCEPTRON = {
    "activation": "relu",
    "width": 1024,
    "label_smoothing": 0.0,
    "optimizer": "sgd",
    "momentum": 0.9,
    "batch_size": 500,
    "test_views": "flips",
}

# Ours: the record's, on pictures that grow.
_FAST = {"resolutions": (24, 28, 32), "test_views": "doubtful"}

# What differs from Config's own defaults, which are those of Keller Jordan's airbench94_muon.
_RECIPES: dict[str, dict] = {
    "airbench94": {},
    "fast94": _FAST,
    "fast95": _FAST | {"width": 320, "convolutions": 3, "crop": 3},
    "fast96": _FAST | {"width": 512, "convolutions": 3, "crop": 4, "cutout": 12},
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
    "airbench94": {"cifar10": 8.0, "embedded": 8.0},
    "fast94": {"cifar10": 12.0, "embedded": 8.0},
    "fast95": {"cifar10": 24.0, "embedded": 8.0},
    "fast96": {"cifar10": 48.0, "embedded": 8.0},
    "linear": {"cifar10": 50.0, "embedded": 10.0},
    "two_layer": {"cifar10": 20.0, "embedded": 15.0},
    "mlp": {"cifar10": 40.0, "embedded": 15.0},
}

# The recipes of the convolutional network; each other model has one, of its own name.
CONVNET: tuple[str, ...] = get_args(Recipe)
DEFAULT = "fast94"


def recipe(name: str) -> Config:
    """The settings of a recipe, or of a model, which are its default recipe's.

    >>> recipe("linear").learning_rate, recipe("airbench94").batch_size, recipe("convnet").recipe
    (0.003, 2000, 'fast94')
    """
    name = DEFAULT if name == "convnet" else name
    named = {"model": "convnet", "recipe": name} if name in CONVNET else {"model": name}
    return Config(**named | _RECIPES[name])


def with_epochs(config: Config, dataset: str) -> Config:
    """``config`` with the number of epochs that suits recipe and data set, if none was given."""
    if config.epochs is not None:
        return config
    name = config.model if config.model != "convnet" else config.recipe or DEFAULT
    return dataclasses.replace(config, epochs=_EPOCHS[name][dataset])


def parse(arguments: list[str] | None = None) -> Config:
    """The command line. Recipe, model and a run to resume are read first: the other defaults are theirs."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe")
    first.add_argument("--model")
    first.add_argument("--resume", type=Path)
    named = first.parse_known_args(arguments)[0]
    if named.recipe not in (None, *CONVNET):
        raise UsageError(f"--recipe must be one of {', '.join(CONVNET)}, and is {named.recipe!r}")
    if named.recipe and named.model not in (None, "convnet"):
        raise UsageError(f"--recipe {named.recipe} is convnet's, and --model is {named.model}: leave one of them out")
    name = named.recipe or named.model
    stopped = checkpoint.settings(named.resume) if named.resume else None
    start = stopped or recipe(name if name in _RECIPES else DEFAULT)
    asked = tyro.cli(Config, args=arguments, default=start, prog="python -m experiments.cifar")
    return checkpoint.same(asked, stopped) if stopped else asked

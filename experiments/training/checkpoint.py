"""A run's state after its last whole epoch, so that a run that was stopped can go on."""

import dataclasses
import json
import pickle
from pathlib import Path

import torch

from experiments.training import results
from experiments.training.config import Config
from experiments.training.errors import UsageError

FILE = "checkpoint.pt"
# What was chosen on the machine where "auto" was asked for.
_CHOSEN = {"dataset": "dataset_used", "precision": "precision_used", "device": "device_used"}
# What another try may have differently: where things lie, and threads, on which only rounding depends.
_FREE = {"data_dir", "data_url", "runs_dir", "threads", "resume"}


def save(folder: Path, state: dict) -> None:
    """Whole or not at all, as :func:`results.replacing` writes."""
    with results.replacing(folder / FILE) as partial, partial.open("wb") as file:
        torch.save(state, file)


def load(folder: Path, device: torch.device) -> dict | None:
    """What :func:`save` wrote last; None where no epoch had ended."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise UsageError(f"{path} cannot be read: remove it, and --resume begins with the first epoch") from error


def settings(folder: Path) -> Config:
    """The settings of the run that was stopped, with what ``auto`` stood for."""
    path = folder / "config.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--resume {folder}: there is no {path}; give the folder of a run") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"--resume {folder}: {path} cannot be read ({error})") from error
    if (folder / "result.json").exists():
        raise UsageError(f"--resume {folder}: this run has ended, and {folder / 'result.json'} holds what came of it")
    known = Config().record().keys() | set(_CHOSEN.values())
    if differ := sorted(known ^ record.keys()):
        raise UsageError(f"--resume {folder}: another version of this program made it (it differs in {differ[0]})")
    chosen = {name: record[used] for name, used in _CHOSEN.items()}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k not in _CHOSEN.values()}
    return Config(**values | chosen, resume=folder)


def same(asked: Config, stopped: Config) -> Config:
    """The stopped run's settings, with what may differ as ``asked``; other differences are refused.

    >>> same(Config(width=8, threads=1), Config(width=8)).threads
    1
    """
    for field in dataclasses.fields(Config):
        wanted, has = getattr(asked, field.name), getattr(stopped, field.name)
        if field.name not in _FREE and wanted != has and wanted != "auto":
            name = field.name.replace("_", "-")
            raise UsageError(f"--{name} is {has} in {stopped.resume}, and a run goes on with its own settings")
    return dataclasses.replace(stopped, **{name: getattr(asked, name) for name in _FREE})

"""A run's state after its last whole epoch, so that a run that was stopped can go on."""

import dataclasses
import io
import json
import pickle
import zipfile
from pathlib import Path

import torch

from experiments.training import results
from experiments.training.config import Config
from experiments.training.errors import UsageError
from experiments.training.train import Trainer

FILE = "checkpoint.pt"
CONFIG = "config.json"
# What was chosen on the machine where "auto" was asked for.
_CHOSEN = {"dataset": "dataset_used", "precision": "precision_used", "device": "device_used"}
# What another try may have differently: where things lie, and threads, on which only rounding depends.
_FREE = {"data_dir", "data_url", "runs_dir", "threads", "resume"}


def save(folder: Path, state: dict) -> None:
    """Whole or not at all, as :func:`results.replacing` writes."""
    # In memory first: where a disk is full, torch.save has other words for it.
    written = io.BytesIO()
    torch.save(state, written)
    with results.replacing(folder / FILE) as partial:
        partial.write_bytes(written.getbuffer())


def load(folder: Path, trainer: Trainer) -> dict | None:
    """What :func:`save` wrote last, which must be of this network; None where no epoch had ended."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not look at its checksums
            damaged = archive.testzip()
        state = None if damaged else torch.load(path, map_location=trainer.device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile, pickle.UnpicklingError):
        state = None
    if not _fits(state, trainer):
        raise UsageError(
            f"{path} is damaged, or is not this run's: remove it, and --resume begins with the first epoch"
        )
    return state


def _fits(state: object, trainer: Trainer) -> bool:
    """Whether it has all that a state has, of a network of the same shapes."""
    if not isinstance(state, dict) or state.keys() != trainer.STATE:
        return False
    saved, model = state["model"], trainer.model.state_dict()
    return saved.keys() == model.keys() and all(saved[k].shape == model[k].shape for k in model)


def settings(folder: Path) -> Config:
    """The settings of the run that was stopped, with what ``auto`` stood for."""
    path = folder / CONFIG
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--resume {folder}: there is no {path}; give the folder of a run that had begun") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"--resume {folder}: {path} cannot be read ({error})") from error
    if (folder / "result.json").exists():
        raise UsageError(f"--resume {folder}: this run has ended, and {folder / 'result.json'} holds what came of it")
    if not isinstance(record, dict):
        raise UsageError(f"--resume {folder}: {path} holds no settings")
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

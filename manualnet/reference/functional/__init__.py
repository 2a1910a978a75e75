"""PyTorch's function of each name; written out only where PyTorch has none."""

import torch

from manualnet.reference.functional import activations, layers, losses, penalties
from manualnet.reference.functional.activations import *  # noqa: F403
from manualnet.reference.functional.layers import *  # noqa: F403
from manualnet.reference.functional.losses import *  # noqa: F403
from manualnet.reference.functional.penalties import *  # noqa: F403

# What torch.nn.functional lacks or has under another behaviour is taken from torch itself.
_SOURCES = (torch.nn.functional, torch)

__all__ = [*activations.__all__, *layers.__all__, *losses.__all__, *penalties.__all__]


def __getattr__(name: str):
    for source in _SOURCES:
        if not name.startswith("__") and hasattr(source, name):
            return getattr(source, name)
    raise AttributeError(f"neither PyTorch nor manualnet.reference.functional has {name!r}")

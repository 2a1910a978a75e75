"""Modules on hand-written gradients: ``import manualnet.nn as nn`` ports a model.

State, initialisation and ``state_dict`` keys are torch.nn's; every ``forward`` calls ``manualnet.functional``. What
carries no gradient (containers, parameters, initialisation) comes through from torch.nn unchanged. A layer that is not
written by hand is an AttributeError, never PyTorch's own in disguise.
"""

from torch.nn import (
    Buffer,
    Identity,
    Module,
    ModuleDict,
    ModuleList,
    Parameter,
    ParameterDict,
    ParameterList,
    Sequential,
    Unflatten,
    init,
)

from manualnet import functional
from manualnet.nn import activations, conv, linear, losses, noise, normalisation, pooling, shape, utils
from manualnet.nn.activations import *  # noqa: F403
from manualnet.nn.conv import *  # noqa: F403
from manualnet.nn.linear import *  # noqa: F403
from manualnet.nn.losses import *  # noqa: F403
from manualnet.nn.noise import *  # noqa: F403
from manualnet.nn.normalisation import *  # noqa: F403
from manualnet.nn.pooling import *  # noqa: F403
from manualnet.nn.shape import *  # noqa: F403

__all__ = [
    "Buffer",
    "Identity",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "Sequential",
    "Unflatten",
    "functional",
    "init",
    "utils",
    *activations.__all__,
    *conv.__all__,
    *linear.__all__,
    *losses.__all__,
    *noise.__all__,
    *normalisation.__all__,
    *pooling.__all__,
    *shape.__all__,
]


def __getattr__(name: str):
    import torch

    if name.startswith("__"):
        raise AttributeError(name)
    hint = f"; torch.nn.{name} exists, with a gradient that PyTorch derives" if hasattr(torch.nn, name) else ""
    raise AttributeError(f"manualnet.nn has no hand-written {name!r}{hint}")

"""torch.nn's modules; those that PyTorch lacks are manualnet's with the twin's functions."""

import torch.nn
from torchvision.ops import StochasticDepth

from manualnet import nn
from manualnet.reference import functional as F

__all__ = [
    "BatchNormGELU",
    "BatchNormReLU",
    "Conv2dMaxPool2d",
    "HingeLoss",
    "Maxout",
    "SquaredError",
    "Step",
    "StochasticDepth",
    "StochasticPool2d",
    "TripletLoss",
]


class BatchNormGELU(nn.BatchNormGELU):
    functional = F


class BatchNormReLU(nn.BatchNormReLU):
    functional = F


class Conv2dMaxPool2d(nn.Conv2dMaxPool2d):
    functional = F


class HingeLoss(nn.HingeLoss):
    functional = F


class Maxout(nn.Maxout):
    functional = F


class SquaredError(nn.SquaredError):
    functional = F


class Step(nn.Step):
    functional = F


class StochasticPool2d(nn.StochasticPool2d):
    functional = F


class TripletLoss(nn.TripletLoss):
    functional = F


def __getattr__(name: str):
    if not name.startswith("__") and hasattr(torch.nn, name):
        return getattr(torch.nn, name)
    raise AttributeError(f"neither torch.nn nor manualnet.reference.nn has {name!r}")

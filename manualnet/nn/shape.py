"""Layers that move numbers and change none."""

import torch.nn as nn
from torch import Tensor

from manualnet.functional._plain import held
from manualnet.native.pixels import planes

__all__ = ["Flatten"]


class Flatten(nn.Flatten):
    """``torch.nn.Flatten``; pictures that need no gradient and have their channels innermost are copied faster.

    >>> import torch
    >>> Flatten()(torch.ones(2, 3, 4)).shape
    torch.Size([2, 12])
    """

    def forward(self, input: Tensor) -> Tensor:
        if isinstance(input, Tensor) and not input.requires_grad and held(input):
            input = planes(input)
        return super().forward(input)

"""Activations as modules."""

import math

import torch
import torch.nn as nn
from torch import Tensor

from manualnet import functional as F

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "Maxout",
    "PReLU",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Step",
    "Tanh",
]


class ELU(nn.ELU):
    """``torch.nn.ELU`` with the gradient of :func:`manualnet.functional.elu`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)


class GELU(nn.GELU):
    """``torch.nn.GELU`` with the gradient of :func:`manualnet.functional.gelu`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)


class LeakyReLU(nn.LeakyReLU):
    """``torch.nn.LeakyReLU`` with the gradient of :func:`manualnet.functional.leaky_relu`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class LogSoftmax(nn.LogSoftmax):
    """``torch.nn.LogSoftmax`` with the gradient of :func:`manualnet.functional.log_softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Maxout(nn.Module):
    """A layer of maxout units, :func:`manualnet.functional.maxout`, that holds ``pieces`` affine maps.

    Args:
        in_features, out_features: sizes of the last axis before and after.
        pieces: how many affine maps compete for every unit.
        bias: learn a bias for each of them.

    Every piece is initialised as ``torch.nn.Linear`` is: uniform within ±1/√in_features.

    >>> Maxout(4, 3, pieces=5)(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    functional = F  # the twin puts its own here
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, in_features: int, out_features: int, pieces: int = 2, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.pieces = pieces
        self.weight = nn.Parameter(torch.empty(pieces, out_features, in_features, device=device, dtype=dtype))
        if bias:
            self.bias = nn.Parameter(torch.empty(pieces, out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return self.functional.maxout(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, pieces={self.pieces}, "
            f"bias={self.bias is not None}"
        )


class PReLU(nn.PReLU):
    """``torch.nn.PReLU`` with the gradient of :func:`manualnet.functional.prelu`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)


class ReLU(nn.ReLU):
    """``torch.nn.ReLU`` with the gradient of :func:`manualnet.functional.relu`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)


class Sigmoid(nn.Sigmoid):
    """``torch.nn.Sigmoid`` with the gradient of :func:`manualnet.functional.sigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Softmax(nn.Softmax):
    """``torch.nn.Softmax`` with the gradient of :func:`manualnet.functional.softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmax2d(nn.Softmax2d):
    """``torch.nn.Softmax2d`` (over the channels) with the gradient of :func:`manualnet.functional.softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: input must be (C, H, W) or (N, C, H, W), but {input.dim()} axes came")
        return F.softmax(input, -3, _stacklevel=5)


class Step(nn.Module):
    """Threshold units, :func:`manualnet.functional.step`: no gradient passes."""

    functional = F  # the twin puts its own here

    def forward(self, input: Tensor) -> Tensor:
        return self.functional.step(input)


class Tanh(nn.Tanh):
    """``torch.nn.Tanh`` with the gradient of :func:`manualnet.functional.tanh`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)

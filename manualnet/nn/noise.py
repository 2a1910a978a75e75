"""Layers that draw at random in training."""

import torch.nn as nn
import torchvision.ops
from torch import Tensor

from manualnet import functional as F

__all__ = ["Dropout", "StochasticDepth"]


class Dropout(nn.Dropout):
    """``torch.nn.Dropout`` with the gradient of :func:`manualnet.functional.dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class StochasticDepth(torchvision.ops.StochasticDepth):
    """``torchvision.ops.StochasticDepth`` with the gradient of :func:`manualnet.functional.stochastic_depth`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.stochastic_depth(input, self.p, self.mode, self.training)

"""Activations as modules."""

import torch.nn as nn
from torch import Tensor

from manualnet import functional as F

__all__ = ["Sigmoid"]


class Sigmoid(nn.Sigmoid):
    """``torch.nn.Sigmoid`` with the gradient of :func:`manualnet.functional.sigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)

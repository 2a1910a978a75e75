"""Pooling as modules."""

import torch.nn as nn
from torch import Tensor

from manualnet import functional as F

__all__ = ["MaxPool2d"]


class MaxPool2d(nn.MaxPool2d):
    """``torch.nn.MaxPool2d`` with the gradient of :func:`manualnet.functional.max_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

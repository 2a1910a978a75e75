"""Convolution as a module."""

import torch.nn as nn
from torch import Tensor

from manualnet import functional as F

__all__ = ["Conv2d"]


class Conv2d(nn.Conv2d):
    """``torch.nn.Conv2d`` with the gradient of :func:`manualnet.functional.conv2d`."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode == "zeros":
            return F.conv2d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        padded = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        return F.conv2d(padded, weight, bias, self.stride, 0, self.dilation, self.groups)

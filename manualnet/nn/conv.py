"""Convolution as a module."""

import torch.nn as nn
from torch import Tensor

from manualnet import functional as F

__all__ = ["Conv2d", "Conv2dMaxPool2d"]


class Conv2d(nn.Conv2d):
    """``torch.nn.Conv2d`` with the gradient of :func:`manualnet.functional.conv2d`."""

    functional = F

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode == "zeros":
            return self._convolved(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        padded = self.functional.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        return self._convolved(padded, weight, bias, self.stride, 0, self.dilation, self.groups)

    def _convolved(self, *arguments) -> Tensor:
        return self.functional.conv2d(*arguments)


class Conv2dMaxPool2d(Conv2d):
    """A convolution with max pooling after it: :func:`manualnet.functional.conv2d_max_pool2d`.

    Arguments and ``state_dict`` are those of ``torch.nn.Conv2d``, and ``pool_size``, that of the windows.

    >>> import torch
    >>> layer = Conv2dMaxPool2d(3, 8, 3, padding=1, pool_size=2)
    >>> layer(torch.randn(5, 3, 6, 6)).shape
    torch.Size([5, 8, 3, 3])
    """

    def __init__(self, *args, pool_size: int | tuple[int, int] = 2, **kwargs):
        super().__init__(*args, **kwargs)
        self.pool_size = pool_size

    def _convolved(self, *arguments) -> Tensor:
        return self.functional.conv2d_max_pool2d(*arguments, self.pool_size)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, pool_size={self.pool_size}"

"""Pooling as modules."""

import torch.nn as nn
from torch import Tensor

from manualnet import functional as F

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d", "StochasticPool2d"]


class MaxPool2d(nn.MaxPool2d):
    """``torch.nn.MaxPool2d`` with the gradient of :func:`manualnet.functional.max_pool2d`."""

    def forward(self, input: Tensor):
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class AvgPool2d(nn.AvgPool2d):
    """``torch.nn.AvgPool2d`` with the gradient of :func:`manualnet.functional.avg_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """``torch.nn.AdaptiveAvgPool2d`` with the gradient of :func:`manualnet.functional.adaptive_avg_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class StochasticPool2d(nn.Module):
    """Draws an element of every window in training and takes the draw's mean in evaluation.

    See :func:`manualnet.functional.stochastic_pool2d`; PyTorch has no such layer.
    """

    functional = F

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding

    def forward(self, input: Tensor) -> Tensor:
        return self.functional.stochastic_pool2d(input, self.kernel_size, self.stride, self.padding, self.training)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

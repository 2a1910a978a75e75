"""A convolution's kernel as C reads it."""

from typing import NamedTuple

import torch
from torch import Tensor


class Taps(NamedTuple):
    """w[o, c, i, j], ``strides`` numbers further from ``address`` for each step along an axis.

    Whoever calls keeps the tensor alive meanwhile.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, weight: Tensor) -> "Taps":
        return cls(weight.data_ptr(), weight.shape, weight.stride(), weight.dtype)

    @classmethod
    def turned(cls, weight: Tensor) -> "Taps":
        """The kernel turned round, seen from the other side, where it lies: w[c, o, -i, -j]."""
        (o, c, h, w), (so, sc, sh, sw) = weight.shape, weight.stride()
        last = (h - 1) * sh + (w - 1) * sw
        return cls(weight.data_ptr() + last * weight.element_size(), (c, o, h, w), (sc, so, -sh, -sw), weight.dtype)

    def bear(self, bias: Tensor | None) -> bool:
        """Whether it is a number of this type for each output, on the CPU, or none at all."""
        return bias is None or (bias.dtype is self.dtype and bias.is_cpu and bias.shape == self.shape[:1])

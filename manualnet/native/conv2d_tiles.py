"""Convolutions of bfloat16 pictures, of stride 1 in one group, by ``conv2d_tiles.c``, where the processor multiplies
tiles of such numbers.

Each product is rounded by nobody and each sum kept in float32, as PyTorch's kernels have it. Whoever calls has asked
for type and processor.
"""

from typing import Any

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import call, dense, fits, numbers
from manualnet.native.taps import Taps

# What max pooling by windows of 2 × 2 chose, and the height and width before it.
Pooled = tuple[Tensor, torch.Size]

# Products from which on it is faster than PyTorch's kernel, and channels in and out: of fewer, which leave much of a
# tile of 32 in and 16 out empty, only up to some products and pixels, or with pooling.
_WORTH, _CHANNELS, _SHORT, _PIXELS = 1 << 14, 24, 1 << 23, 1 << 11


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, padding) -> Tensor | None:
    """Σ_c Σ_k w[o,c,k] x[n,c,p+k−pad] + b[o]; None where another way must be gone.

    Shapes: x (N, C, H, W), weight (O, C, kernel height, 3), bias (O), the result (N, O, H', W').
    """
    found = _convolved(x, x.shape, weight, bias, padding)
    return found and found[0]


def conv2d_max_pool2d(x: Tensor, weight: Tensor, bias: Tensor | None, padding) -> tuple[Tensor, Any] | None:
    """The largest of each 2 × 2 window of the same, and its place there, row by row, as a byte."""
    return _convolved(x, x.shape, weight, bias, padding, pooling=True)


def conv2d_input(grad_out: Tensor, weight: Tensor, padding, pooled: Pooled | None = None) -> Tensor | None:
    """Σ_o Σ_k w[o,c,k] g[n,o,q+pad−k]: a convolution that sees the kernel turned round, from the other side.

    With ``pooled``, ``grad_out`` is the cotangent of what :func:`conv2d_max_pool2d` gave.
    """
    place, size = pooled or (None, grad_out.shape[2:])
    shape, (kh, kw), (ph, pw) = torch.Size((*grad_out.shape[:2], *size)), weight.shape[2:], padding
    border = kh - 1 - ph, kw - 1 - pw
    found = _convolved(grad_out, shape, weight, None, border, place, turned=True)
    return found and found[0]


def _convolved(
    x, shape, weight, bias, padding, chosen=None, *, pooling=False, turned=False
) -> tuple[Tensor, Any] | None:
    """The result of pictures of this shape, and which places it chose if it is pooled."""
    o, c, *kernel = weight.shape
    size, pooled = (c, o, *kernel) if turned else (o, c, *kernel), pooling or chosen is not None
    if not _suits(x, shape, size, padding, pooled) or not weight.is_cpu:
        return None
    taps = Taps.turned(weight) if turned else Taps.of(weight)
    if taps.dtype is not x.dtype or not taps.bear(bias):
        return None
    kernel = getattr(load("numbers.h", "tiles.h", "conv2d_tiles.c"), "conv2d_tiles", None)
    (n, c, *sides), (o, _, *taken) = shape, taps.shape
    out = [side + 2 * p - k + 1 for side, p, k in zip(sides, padding, taken, strict=True)]
    window = 2 if pooling else 1
    y = torch.empty(n, out[0] // window, out[1] // window, o, dtype=x.dtype).permute(0, 3, 1, 2)
    if kernel is None or not y.numel():
        return None
    chooses = torch.empty_like(y, dtype=torch.uint8) if pooling else None
    numbered = numbers(n, c, *sides, o, *out, *taken, 1, 1, *padding, 1, 1)
    tensors = x, chosen, taps.address, dense(bias), y, chooses
    failed = call(kernel, *tensors, numbered, numbers(*taps.strides), torch.get_num_threads())
    return None if failed else (y, chooses)


def _suits(x: Tensor, shape, weight_shape, padding, pooled: bool) -> bool:
    """Whether it is a convolution of pictures of this shape that is compiled, and large enough to gain by it."""
    if x.dim() != 4 or not x.is_contiguous(memory_format=torch.channels_last):
        return False
    o, c, *kernel = weight_shape
    products = shape.numel() * o * kernel[0] * 3
    return (
        products >= _WORTH
        and (min(c, o) >= _CHANNELS or pooled or (products < _SHORT and shape.numel() <= _PIXELS * c))
        and fits(x)
        and x.shape[1] == c
        and kernel[1] == 3
        and all(p >= 0 and n + 2 * p >= k > 0 for p, n, k in zip(padding, shape[2:], kernel, strict=True))
    )

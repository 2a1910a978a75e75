"""Convolutions of bfloat16 pictures by ``conv2d_tiles.c``, where the processor multiplies tiles of such numbers.

Each product is rounded by nobody and each sum kept in float32, as PyTorch's kernels have it.
"""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import call, fits, multiplies_tiles, numbers

# What max pooling by windows of 2 × 2 chose, and the height and width before it.
Pooled = tuple[Tensor, torch.Size]

# Products and channels from which on it is faster than PyTorch's kernel: a tile holds 32 channels in and 16 out.
_WORTH, _CHANNELS = 1 << 24, 16


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups) -> Tensor | None:
    """Σ_c Σ_k w[o,c,k] x[n,c,p+k−pad] + b[o]; None where another way must be gone.

    Shapes: x (N, C, H, W), weight (O, C, kernel height, 3), bias (O), the result (N, O, H', W').
    """
    y = _outputs(x, x.shape, weight, bias, (stride, padding, dilation, groups))
    return y if y is None or _run(x, None, x.shape, weight, bias, y, None, padding) else None


def conv2d_max_pool2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups
) -> tuple[Tensor, Tensor] | None:
    """The largest of each 2 × 2 window of the same, and its place there, row by row, as a byte."""
    y = _outputs(x, x.shape, weight, bias, (stride, padding, dilation, groups), 2)
    if y is None or not y.numel():
        return None
    place = torch.empty_like(y, dtype=torch.uint8)
    return (y, place) if _run(x, None, x.shape, weight, bias, y, place, padding) else None


def conv2d_input(
    grad_out: Tensor, weight: Tensor, stride, padding, dilation, groups, pooled: Pooled | None = None
) -> Tensor | None:
    """Σ_o Σ_k w[o,c,k] g[n,o,q+pad−k]: a convolution that sees the kernel turned round, from the other side.

    With ``pooled``, ``grad_out`` is the cotangent of what :func:`conv2d_max_pool2d` gave.
    """
    o, c, *kernel = weight.shape
    geometry = stride, [k - 1 - p for k, p in zip(kernel, padding, strict=True)], dilation, groups
    place, size = pooled or (None, grad_out.shape[2:])
    shape = torch.Size((*grad_out.shape[:2], *size))
    if not _suits(grad_out, shape, (c, o, *kernel), *geometry):
        return None  # before the kernel is turned, which copies it
    turned = weight.flip(2, 3).transpose(0, 1)
    grad = _outputs(grad_out, shape, turned, None, geometry)
    return grad if grad is None or _run(grad_out, place, shape, turned, None, grad, None, geometry[1]) else None


def _outputs(x: Tensor, shape, weight: Tensor, bias: Tensor | None, geometry, window: int = 1) -> Tensor | None:
    """Room for the result, pooled by such windows; None where this is not the way."""
    if weight.dtype is not x.dtype or not weight.is_cpu or not _suits(x, shape, weight.shape, *geometry):
        return None
    if bias is not None and (bias.dtype is not x.dtype or not bias.is_cpu or bias.shape != weight.shape[:1]):
        return None
    o, _, *kernel = weight.shape
    sides = zip(shape[2:], kernel, geometry[1], strict=True)
    oh, ow = ((n + 2 * p - k + 1) // window for n, k, p in sides)
    return torch.empty(shape[0], oh, ow, o, dtype=x.dtype).permute(0, 3, 1, 2)


def _run(x, chosen, shape, weight, bias, y, chooses, padding) -> bool:
    """Compute ``y`` from pictures of this shape; whether that was possible."""
    kernel = getattr(load("numbers.h", "tiles.h", "conv2d_tiles.c"), "conv2d_tiles", None)
    if kernel is None:
        return False
    n, c, h, w = shape
    o, _, kh, kw = weight.shape
    oh, ow = h + 2 * padding[0] - kh + 1, w + 2 * padding[1] - kw + 1
    bias = None if bias is None else bias.contiguous()
    numbered = numbers(n, c, h, w, o, oh, ow, kh, kw, 1, 1, *padding, 1, 1)
    tensors = x, chosen, weight, bias, y, chooses
    return not call(kernel, *tensors, numbered, numbers(*weight.stride()), torch.get_num_threads())


def _suits(x: Tensor, shape, weight_shape, stride, padding, dilation, groups) -> bool:
    """Whether it is a convolution of pictures of this shape that is compiled, and large enough to gain by it."""
    if x.dtype is not torch.bfloat16 or x.dim() != 4:
        return False
    o, c, *kernel = weight_shape
    return (
        shape.numel() * o * kernel[0] * 3 >= _WORTH
        and multiplies_tiles()
        and fits(x)
        and x.shape[1] == c
        and min(c, o) >= _CHANNELS
        and kernel[1] == 3
        and tuple(stride) == tuple(dilation) == (1, 1)
        and groups == 1
        and all(p >= 0 and n + 2 * p >= k > 0 for p, n, k in zip(padding, shape[2:], kernel, strict=True))
        and x.is_contiguous(memory_format=torch.channels_last)
    )

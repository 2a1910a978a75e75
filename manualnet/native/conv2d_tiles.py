"""Convolutions of bfloat16 pictures by ``conv2d_tiles.c``, where the processor multiplies tiles of such numbers.

Each product is rounded by nobody and each sum kept in float32, as PyTorch's kernels have it.
"""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import call, fits, multiplies_tiles, numbers

# Products and channels from which on it is faster than PyTorch's kernel: a tile holds 32 channels in and 16 out.
_WORTH, _CHANNELS = 1 << 24, 16


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups) -> Tensor | None:
    """Σ_c Σ_k w[o,c,k] x[n,c,p+k−pad] + b[o]; None where another way must be gone.

    Shapes: x (N, C, H, W), weight (O, C, kernel height, 3), bias (O), the result (N, O, H', W').
    """
    if (
        weight.dtype is not x.dtype
        or not weight.is_cpu
        or not _suits(x, weight.shape, stride, padding, dilation, groups)
    ):
        return None
    if bias is not None and (bias.dtype is not x.dtype or not bias.is_cpu or bias.shape != weight.shape[:1]):
        return None
    kernel = getattr(load("numbers.h", "tiles.h", "conv2d_tiles.c"), "conv2d_tiles", None)
    if kernel is None:
        return None
    n, c, h, w = x.shape
    o, _, kh, kw = weight.shape
    oh, ow = h + 2 * padding[0] - kh + 1, w + 2 * padding[1] - kw + 1
    bias = None if bias is None else bias.contiguous()
    y = torch.empty(n, oh, ow, o, dtype=x.dtype)
    shape = numbers(n, c, h, w, o, oh, ow, kh, kw, *stride, *padding, *dilation)
    if call(kernel, x, weight, bias, y, shape, numbers(*weight.stride()), torch.get_num_threads()):
        return None
    return y.permute(0, 3, 1, 2)


def conv2d_input(grad_out: Tensor, weight: Tensor, stride, padding, dilation, groups) -> Tensor | None:
    """Σ_o Σ_k w[o,c,k] g[n,o,q+pad−k]: a convolution that sees the kernel turned round, from the other side."""
    o, c, *kernel = weight.shape
    geometry = stride, [k - 1 - p for k, p in zip(kernel, padding, strict=True)], dilation, groups
    if not _suits(grad_out, (c, o, *kernel), *geometry):
        return None  # before the kernel is turned, which copies it
    return conv2d(grad_out, weight.flip(2, 3).transpose(0, 1), None, *geometry)


def _suits(x: Tensor, weight_shape, stride, padding, dilation, groups) -> bool:
    """Whether it is a convolution that is compiled, and large enough to gain by it."""
    if x.dtype is not torch.bfloat16 or x.dim() != 4:
        return False
    o, c, *kernel = weight_shape
    return (
        x.numel() * o * kernel[0] * 3 >= _WORTH
        and multiplies_tiles()
        and fits(x)
        and x.shape[1] == c
        and min(c, o) >= _CHANNELS
        and kernel[1] == 3
        and tuple(stride) == tuple(dilation) == (1, 1)
        and groups == 1
        and all(p >= 0 and n + 2 * p >= k > 0 for p, n, k in zip(padding, x.shape[2:], kernel, strict=True))
        and x.is_contiguous(memory_format=torch.channels_last)
    )

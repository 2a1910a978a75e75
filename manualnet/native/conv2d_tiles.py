"""Convolutions of bfloat16 pictures by ``conv2d_tiles.c``, where the processor multiplies tiles of such numbers.

Each product is rounded by nobody and each sum kept in float32, as PyTorch's kernels have it.
"""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import call, fits, multiplies_tiles, numbers

# Products and channels in from which on it is faster than PyTorch's kernel: a tile holds 32 channels.
_WORTH, _CHANNELS = 1 << 24, 16


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups) -> Tensor | None:
    """Σ_c Σ_k w[o,c,k] x[n,c,p+k−pad] + b[o]; None where another way must be gone.

    Shapes: x (N, C, H, W), weight (O, C, kernel height, 3), bias (O), the result (N, O, H', W').
    """
    if not _suits(x, weight, bias, stride, padding, dilation, groups):
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
    if grad_out.dtype is not torch.bfloat16 or not multiplies_tiles():
        return None  # before the kernel is turned, which copies it
    turned = weight.flip(2, 3).transpose(0, 1)
    border = [k - 1 - p for k, p in zip(weight.shape[2:], padding, strict=True)]
    return conv2d(grad_out, turned, None, stride, border, dilation, groups)


def _suits(x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups) -> bool:
    """Whether it is a convolution that is compiled, and large enough to gain by it."""
    return (
        x.dtype is weight.dtype is torch.bfloat16
        and multiplies_tiles()
        and fits(x)
        and weight.is_cpu
        and x.dim() == weight.dim() == 4
        and x.shape[1] == weight.shape[1] >= _CHANNELS
        and weight.shape[3] == 3
        and x.numel() * weight[:, 0].numel() >= _WORTH
        and tuple(stride) == tuple(dilation) == (1, 1)
        and groups == 1
        and all(p >= 0 and n + 2 * p >= k > 0 for p, n, k in zip(padding, x.shape[2:], weight.shape[2:], strict=True))
        and (bias is None or (bias.dtype is x.dtype and bias.is_cpu and bias.shape == (len(weight),)))
        and x.is_contiguous(memory_format=torch.channels_last)
    )

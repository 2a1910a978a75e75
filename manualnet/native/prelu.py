"""The gradients of PReLU, by ``prelu.c``."""

import math

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, along, call, fits, laid_like, threads_for, without_gaps

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 9
# Of an array with one slope, if its number of elements has so many parts.
_PIECES = 1 << 4


def prelu_backward(grad_out: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """∂L/∂x and ∂L/∂a, for one slope or slopes (C) along axis 1; None where another way must be gone."""
    if x.numel() < _WORTH or not fits(x) or grad_out.dtype is not x.dtype:
        return None
    x = x if x.is_contiguous() or without_gaps(x) else x.contiguous()
    sizes = _pieces(x) if weight.numel() == 1 else along(x, 1)
    kernel = getattr(load("numbers.h", "share.h", "totals.h", "prelu.c"), f"prelu_backward_{NAMES[x.dtype]}", None)
    if sizes is None or kernel is None:
        return None
    grad_x, grad_weight = torch.empty_like(x), torch.empty(weight.shape)
    slopes = weight.float().contiguous()
    failed = call(kernel, laid_like(grad_out, x), x, slopes, grad_x, grad_weight, *sizes, threads_for(x.numel()))
    return None if failed else (grad_x, grad_weight.to(weight.dtype))


def _pieces(x: Tensor) -> tuple[int, int, int]:
    """An array without gaps as pieces of one channel, some for each thread."""
    count = math.gcd(x.numel(), _PIECES)
    return count, 1, x.numel() // count

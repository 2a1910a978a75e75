"""The gradients of cross-entropy and of the negative log-likelihood for class indices, by ``cross_entropy.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, threads_for

# Scores below which a call is over before a compiled path pays.
_WORTH = 1 << 7


def cross_entropy_backward(
    grad_out: Tensor, x: Tensor, target: Tensor, ignore_index: int, reduction: str, smoothing: float
) -> Tensor | None:
    """(p − q) g for scores (N, C) and a reduction that is a sum or a mean; None where another way must be gone."""
    together = x.dim() == 2 and x.is_contiguous() and target.is_contiguous()
    if not together or not fits(x) or x.numel() < _WORTH or reduction == "none":
        return None
    library = _library()
    if library is None:
        return None
    grad_x, g = torch.empty_like(x), grad_out.float()
    # An exponential is worth two elements.
    threads = threads_for(2 * x.numel())
    kernel = getattr(library, f"cross_entropy_backward_{NAMES[x.dtype]}")
    call(kernel, x, target, grad_x, g, *x.shape, ignore_index, smoothing, reduction == "mean", threads)
    return grad_x


def nll_backward(
    grad_out: Tensor, shape: torch.Size, target: Tensor, ignore_index: int, reduction: str
) -> Tensor | None:
    """-g at the target, for scores (N, C); None where another way must be gone."""
    if len(shape) != 2 or not fits(grad_out) or shape.numel() < _WORTH or not target.is_contiguous():
        return None
    library = _library()
    if library is None:
        return None
    grad_x, g = grad_out.new_empty(shape), grad_out.float().contiguous()
    kernel = getattr(library, f"nll_backward_{NAMES[grad_x.dtype]}")
    mean, threads = reduction == "mean", threads_for(shape.numel())
    call(kernel, target, grad_x, g, g.dim(), *shape, ignore_index, mean, threads)
    return grad_x


def _library():
    return load("numbers.h", "share.h", "exp.h", "cross_entropy.c")

"""Cross-entropy with probabilities as target, and its gradient along the scores, by ``probabilities.c``."""

import ctypes

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, laid_like, threads_for, wide
from manualnet.native.scores import as_array

# Scores below which a call is over before a compiled path pays.
_WORTH = 1 << 7


class _Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("n", "c", "p", "step")]
    _fields_ += [(name, ctypes.c_double) for name in ("smoothing", "divisor")]


def cross_entropy(x: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float) -> Tensor | None:
    """The loss in float32, of scores and probabilities (N, C, …); None where another way must be gone."""
    if not _compiled(x, target, weight):
        return None
    x, sizes = as_array(x)
    places = x.shape[:1] + x.shape[2:] if x.dim() > 1 else ()
    loss = torch.empty(places if reduction == "none" else ())
    _run(sizes, x, target, weight, reduction, smoothing, loss=loss)
    return loss


def cross_entropy_backward(
    grad_out: Tensor, x: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor | None:
    """(p Σ q − q) g for scores and probabilities (N, C, …); None where another way must be gone."""
    if not _compiled(x, target, weight):
        return None
    x, sizes = as_array(x)
    grad_x = torch.empty_like(x)
    _run(sizes, x, target, weight, reduction, smoothing, grad_out, grad_x)
    return grad_x


def _compiled(x: Tensor, target: Tensor, weight: Tensor | None) -> bool:
    given = (target,) if weight is None else (target, weight)
    return x.numel() >= _WORTH and fits(x) and all(t.dtype is x.dtype for t in given) and _library() is not None


def _run(sizes, x, target, weight, reduction, smoothing, grad_out=None, grad_x=None, loss=None) -> None:
    """Writes the loss, or where there is a cotangent the gradient."""
    n, c, p = sizes
    shape = _Shape(n, c, p, reduction == "none", smoothing, n * p if reduction == "mean" else 1)
    tensors = x, laid_like(target, x), torch.ones(c) if weight is None else wide(weight), wide(grad_out), grad_x, loss
    # An exponential is worth two elements.
    threads = threads_for(2 * x.numel())
    call(getattr(_library(), f"of_probabilities_{NAMES[x.dtype]}"), *tensors, ctypes.byref(shape), threads)


def _library():
    return load("numbers.h", "share.h", "exp.h", "turn.h", "scores.h", "probabilities.c")

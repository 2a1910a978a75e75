"""Cross-entropy and the likelihood, and their gradients, for class indices, by ``cross_entropy.c``."""

import ctypes

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, threads_for, wide
from manualnet.native.scores import in_order, placed, where_they_lie

# Scores below which a call is over before a compiled path pays, and below which PyTorch's likelihood is as fast, and
# targets up to which it looks up scores of float32 that lie together as fast.
_WORTH, _MANY, _LOOKED_UP = 1 << 7, 1 << 12, 1 << 14


class _Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("n", "c", "p", "apart", "ignored", "mean", "step")]
    _fields_ += [("smoothing", ctypes.c_double)]


def cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, smoothing: float
) -> Tensor | None:
    """The loss in float32, of scores (N, C, …) and targets (N, …); None where another way must be gone."""
    library = _library() if x.numel() >= _WORTH and fits(x) else None
    if library is None:
        return None
    x, sizes = placed(x)
    loss = torch.empty(target.shape if reduction == "none" else ())
    shape = _Shape(*sizes, ignore_index, reduction == "mean", reduction == "none", smoothing)
    kernel = getattr(library, f"cross_entropy_{NAMES[x.dtype]}")
    tensors = target.contiguous(), loss, wide(weight)
    # PyTorch has the words for a class that there is not.
    return None if call(kernel, x, *tensors, ctypes.byref(shape), threads_for(2 * x.numel())) else loss


def cross_entropy_backward(
    grad_out: Tensor,
    x: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor | None:
    """(p Σ q − q) g for scores (N, C, …) and targets (N, …); None where another way must be gone."""
    kernel = _backward("cross_entropy", x.dtype) if x.numel() >= _WORTH and fits(x) else None
    if kernel is None:
        return None
    x, sizes = placed(x)
    grad_x = torch.empty_like(x)
    shape = _Shape(*sizes, ignore_index, reduction == "mean", reduction == "none", smoothing)
    tensors = target.contiguous(), grad_x, wide(grad_out), wide(weight)
    # An exponential is worth two elements.
    call(kernel, x, *tensors, ctypes.byref(shape), threads_for(2 * x.numel()))
    return grad_x


def worth(x: Tensor, target: Tensor) -> bool:
    """Whether :func:`nll_loss` is for so many: of fewer, PyTorch's is as fast."""
    if x.numel() < _MANY or not fits(x):
        return False
    return target.numel() > _LOOKED_UP or x.dtype is not torch.float32 or not x.is_contiguous()


def nll_loss(x: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor | None:
    """-w x at the target in float32, of (N, C, …) and targets (N, …); None where another way must be gone."""
    # A few scores are looked up: that is not worth a copy of all.
    sizes, kernel = where_they_lie(x), getattr(_library(), f"nll_{NAMES[x.dtype]}", None)
    if sizes is None or kernel is None:
        return None
    loss = torch.empty(target.shape if reduction == "none" else ())
    shape = _Shape(*sizes, ignore_index, reduction == "mean", reduction == "none", 0.0)
    tensors = target.contiguous(), loss, wide(weight)
    # One score a target is looked up, wherever it lies: that is worth some elements.
    return None if call(kernel, x, *tensors, ctypes.byref(shape), threads_for(8 * target.numel())) else loss


def nll_backward(
    grad_out: Tensor,
    shape: torch.Size,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
) -> Tensor | None:
    """-w g at the target, for scores of ``shape`` (N, C, …); None where another way must be gone."""
    if not fits(grad_out) or shape.numel() < _WORTH:
        return None
    kernel = _backward("nll", grad_out.dtype)
    if kernel is None:
        return None
    grad_x = grad_out.new_empty(shape)
    sizes = _Shape(*in_order(shape), ignore_index, reduction == "mean", reduction == "none", 0.0)
    tensors = target.contiguous(), grad_x, wide(grad_out), wide(weight)
    call(kernel, *tensors, ctypes.byref(sizes), threads_for(shape.numel()))
    return grad_x


def _backward(name: str, dtype: torch.dtype):
    return getattr(_library(), f"{name}_backward_{NAMES[dtype]}", None)


def _library():
    return load("numbers.h", "share.h", "exp.h", "turn.h", "scores.h", "cross_entropy.c")

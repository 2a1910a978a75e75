"""Cross-entropy and the likelihood, and their gradients, for class indices, by ``cross_entropy.c``."""

import ctypes

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, along, call, fits, threads_for, wide

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
    x, sizes = _placed(x)
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
    x, sizes = _placed(x)
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
    sizes, kernel = _sizes_apart(x), getattr(_library(), f"nll_{NAMES[x.dtype]}", None)
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
    sizes = _Shape(*_apart(*_split(shape)), ignore_index, reduction == "mean", reduction == "none", 0.0)
    tensors = target.contiguous(), grad_x, wide(grad_out), wide(weight)
    call(kernel, *tensors, ctypes.byref(sizes), threads_for(shape.numel()))
    return grad_x


def as_array(x: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    """The scores as an array (n, c, p), its places in the targets' order; a copy where they do not lie like one."""
    sizes = _sizes_of(x)
    return (x.contiguous(), _split(x.shape)) if sizes is None else (x, sizes)


def _placed(x: Tensor) -> tuple[Tensor, tuple[int, int, int, int]]:
    """The same, with how far pictures are apart: a part of them need not be copied."""
    sizes = _sizes_apart(x)
    return (x.contiguous(), _apart(*_split(x.shape))) if sizes is None else (x, sizes)


def _sizes_apart(x: Tensor) -> tuple[int, int, int, int] | None:
    """n, c, p and how far it is from a picture to the next, of an array or a part of one; None of others."""
    sizes = _sizes_of(x)
    if sizes is not None:
        return _apart(*sizes)
    n, c, p = _split(x.shape)
    return (n, c, p, x.stride(0)) if x.dim() > 1 and x.stride(0) > c * p and x[0].is_contiguous() else None


def _apart(n: int, c: int, p: int) -> tuple[int, int, int, int]:
    return n, c, p, c * p


def _sizes_of(x: Tensor) -> tuple[int, int, int] | None:
    return along(x, min(1, x.dim() - 1), ordered=True)


def _split(shape: torch.Size) -> tuple[int, int, int]:
    return (1, shape[0], 1) if len(shape) == 1 else (shape[0], shape[1], shape[2:].numel())


def _backward(name: str, dtype: torch.dtype):
    return getattr(_library(), f"{name}_backward_{NAMES[dtype]}", None)


def _library():
    return load("numbers.h", "share.h", "exp.h", "turn.h", "scores.h", "cross_entropy.c")

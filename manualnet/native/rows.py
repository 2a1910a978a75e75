"""What depends on all of a row, along the last axis, by ``rows.c``; what has gaps is copied without them."""

from typing import Any

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, dense, fits, threads_for

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 8


def applies(*tensors: Tensor) -> bool:
    """On the CPU, of one type and shape."""
    first = tensors[0]
    return (
        fits(first)
        and first.numel() >= _WORTH
        and all(t.dtype == first.dtype and t.shape == first.shape for t in tensors[1:])
        and _library() is not None
    )


def hinge(scores: Tensor, target: Tensor, margin: float) -> Tensor:
    """Every row's Σ max(0, s_j - s_y + margin) over j ≠ y, in float32."""
    losses = scores.new_empty(target.shape, dtype=torch.float32)
    _run("hinge", scores, target, losses, settings=(float(margin),))
    return losses


def hinge_backward(scores: Tensor, target: Tensor, each: Tensor, margin: float) -> Tensor:
    """Its gradient for the cotangents ``each``, one number or one a row, in float32."""
    grad_x = torch.empty(scores.shape, dtype=scores.dtype)
    _run("hinge_backward", scores, target, each, grad_x, settings=(float(margin),), step=(each.dim() > 0,))
    return grad_x


def triplet(a: Tensor, p: Tensor, n: Tensor, margin: float) -> Tensor:
    """Every row's max(0, ‖a - p‖² - ‖a - n‖² + margin), in float32."""
    losses = a.new_empty(a.shape[:-1], dtype=torch.float32)
    _run("triplet", a, p, n, losses, settings=(float(margin),))
    return losses


def triplet_backward(
    a: Tensor, p: Tensor, n: Tensor, each: Tensor, margin: float, needs: tuple[bool, ...]
) -> list[Tensor | None]:
    """Its gradients as far as they are needed, for the cotangents ``each``, one number or one a row, in float32."""
    grads = [torch.empty(a.shape, dtype=a.dtype) if needed else None for needed in needs]
    _run("triplet_backward", a, p, n, each, *grads, settings=(float(margin),), step=(each.dim() > 0,))
    return grads


def _run(name: str, *tensors: Tensor | None, settings: tuple = (), step: tuple = ()) -> None:
    first: Any = tensors[0]
    columns = first.shape[-1]
    sizes = first.numel() // columns, columns
    kernel = getattr(_library(), f"{name}_{NAMES[first.dtype]}")
    call(kernel, *map(dense, tensors), *settings, *sizes, *step, threads_for(first.numel()))


def _library():
    return load("numbers.h", "share.h", "rows.c")

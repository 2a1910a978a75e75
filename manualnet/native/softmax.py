"""The gradients of softmax and of its logarithm, along any axis, by ``softmax.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, along, call, fits, laid_like, threads_for

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 8


def softmax_backward(grad_out: Tensor, p: Tensor, dim: int) -> Tensor | None:
    """p (g - Σ g p); None where another way must be gone."""
    return _run("softmax_backward", grad_out, p, dim)


def log_softmax_backward(grad_out: Tensor, y: Tensor, dim: int) -> Tensor | None:
    """g - e^y Σ g; None where another way must be gone."""
    return _run("log_softmax_backward", grad_out, y, dim)


def _run(name: str, grad_out: Tensor, y: Tensor, dim: int) -> Tensor | None:
    if y.numel() < _WORTH or not fits(y):
        return None
    sizes, library = along(y, dim), _library()
    if sizes is None or library is None:
        return None
    grad_x = torch.empty_like(y)
    call(
        getattr(library, f"{name}_{NAMES[y.dtype]}"), laid_like(grad_out, y), y, grad_x, *sizes, threads_for(y.numel())
    )
    return grad_x


def _library():
    return load("numbers.h", "share.h", "exp.h", "turn.h", "softmax.c")

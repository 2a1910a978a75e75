"""The gradients of cross-entropy and of the negative log-likelihood for class indices, by ``cross_entropy.c``."""

import ctypes

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, pointer
from manualnet.native.elementwise import threads_for


def cross_entropy_backward(
    grad_out: Tensor, x: Tensor, target: Tensor, ignore_index: int, reduction: str, smoothing: float
) -> Tensor | None:
    """(p − q) g for scores (N, C) and a reduction that is a sum or a mean; None where another way must be gone."""
    fits = x.dim() == 2 and x.is_contiguous() and x.numel() >= 128 and target.is_contiguous() and reduction != "none"
    if not fits or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
        return None
    library = _library()
    if library is None:
        return None
    grad_x, g = torch.empty_like(x), grad_out.float()
    settings = ctypes.c_long(ignore_index), ctypes.c_double(smoothing), int(reduction == "mean")
    threads = torch.get_num_threads() if x.numel() > 1 << 14 else 1
    kernel = getattr(library, f"cross_entropy_backward_{NAMES[x.dtype]}")
    sizes = map(ctypes.c_long, x.shape)
    kernel(*map(pointer, (x, target, grad_x, g)), *sizes, *settings, threads)
    return grad_x


def nll_backward(
    grad_out: Tensor, shape: torch.Size, target: Tensor, ignore_index: int, reduction: str
) -> Tensor | None:
    """-g at the target, for scores (N, C); None where another way must be gone."""
    fits = len(shape) == 2 and shape.numel() >= 128 and target.is_contiguous()
    if not fits or not grad_out.is_cpu or grad_out.dtype not in (torch.float32, torch.bfloat16):
        return None
    library = _library()
    if library is None:
        return None
    grad_x, g = grad_out.new_empty(shape), grad_out.float().contiguous()
    sizes = map(ctypes.c_long, (g.dim(), *shape, ignore_index))
    kernel = getattr(library, f"nll_backward_{NAMES[grad_x.dtype]}")
    kernel(*map(pointer, (target, grad_x, g)), *sizes, int(reduction == "mean"), threads_for(shape.numel()))
    return grad_x


def _library():
    return load("numbers.h", "share.h", "exp.h", "cross_entropy.c")

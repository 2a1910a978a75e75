"""Pictures with their channels innermost laid out plane by plane, by ``planes.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, threads_for


def planes(x: Tensor) -> Tensor | None:
    """A contiguous copy of channels-last pictures (N, 3, H, W); None where PyTorch's own copy must do."""
    if x.dim() != 4 or x.shape[1] != 3 or not fits(x) or x.numel() < 1 << 12:
        return None
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return None
    kernel = getattr(load("numbers.h", "planes.c"), f"planes_{NAMES[x.dtype]}", None)
    if kernel is None:
        return None
    y = torch.empty(x.shape, dtype=x.dtype)
    call(kernel, x, y, len(x), x.shape[2] * x.shape[3], threads_for(x.numel()))
    return y

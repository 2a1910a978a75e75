"""Pictures laid out with their channels innermost, by ``pixels.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, threads_for

# Channels and numbers from which on it is faster than PyTorch's own copy.
_CHANNELS, _WORTH = 1 << 5, 1 << 14


def channels_last(x: Tensor) -> Tensor:
    """The picture's channels innermost; a copy only where they are not."""
    if x.is_contiguous() and x.shape[1] >= _CHANNELS and x.numel() >= _WORTH and fits(x):
        kernel = getattr(load("numbers.h", "vectors.h", "pixels.c"), f"pixels_{NAMES[x.dtype]}", None)
        if kernel is not None and not x.is_contiguous(memory_format=torch.channels_last):
            y = torch.empty_like(x, memory_format=torch.channels_last)
            call(kernel, x, y, len(x), x.shape[1], x.shape[2:].numel(), threads_for(x.numel()))
            return y
    return x.contiguous(memory_format=torch.channels_last)

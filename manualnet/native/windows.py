"""Elements shared out to windows that lie side by side, by ``windows.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, numbers, threads_for

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 7


def spread(x: Tensor, window: tuple[int, int], divisor: float) -> Tensor | None:
    """Elements of pictures (…, H, W), divided, in all places of their windows; None where another way must be gone."""
    if x.numel() < _WORTH or not fits(x) or x.dim() < 3:
        return None
    *batch, h, w = x.shape
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        rows, channels, layout = batch[0] * h, batch[1], torch.channels_last
    elif x.is_contiguous():
        rows, channels, layout = x.numel() // w, 1, torch.contiguous_format
    else:
        return None
    kernel = getattr(load("numbers.h", "windows.c"), f"spread_{NAMES[x.dtype]}", None)
    if kernel is None:
        return None
    y = torch.empty(*batch, h * window[0], w * window[1], dtype=x.dtype, memory_format=layout)
    call(kernel, x, y, numbers(rows, w, channels, *window), float(divisor), threads_for(y.numel()))
    return y

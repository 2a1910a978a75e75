"""Elements shared out to windows, by ``windows.c``."""

import ctypes
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, numbers, threads_for

Pair = tuple[int, ...]

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 7


class Windows(NamedTuple):
    """Height and width of each."""

    kernel: Pair
    stride: Pair
    padding: Pair
    out: Pair


def spread(x: Tensor, window: tuple[int, int], divisor: float, *, planes: bool = False) -> Tensor | None:
    """Elements of pictures (…, H, W), divided, in all places of their windows; None where another way must be gone.

    The result lies as x does; of one pixel a picture lies both ways, and ``planes`` tells.
    """
    if x.numel() < _WORTH or not fits(x) or x.dim() < 3:
        return None
    *batch, h, w = x.shape
    kernel, apart = window, x.is_contiguous()
    if not (planes and apart) and x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        rows, channels, layout = batch[0] * h, batch[1], torch.channels_last
    elif apart:
        rows, channels, layout = x.numel() // w, 1, torch.contiguous_format
        # One window in a row of a plane is one stretch of memory.
        kernel = (1, window[0] * window[1]) if w == 1 else window
    else:
        return None
    function = getattr(_library(), f"spread_{NAMES[x.dtype]}", None)
    if function is None:
        return None
    y = torch.empty(*batch, h * window[0], w * window[1], dtype=x.dtype, memory_format=layout)
    call(function, x, y, numbers(rows, w, channels, *kernel), float(divisor), threads_for(y.numel()))
    return y


class _Window(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in "begin end places".split()]


# Of every window along an axis where it begins and ends, and the places that count.
Along = ctypes.Array[_Window]


@lru_cache
def sliding(count: int, size: int, kernel: int, stride: int, padding: int, padded: bool) -> Along:
    """So many windows of one size, ``stride`` apart; places in the padding count if it says so."""
    starts = [i * stride - padding for i in range(count)]
    whole = [(start, min(start + kernel, size + padding)) for start in starts]
    within = [(max(start, 0), min(end, size)) for start, end in whole]
    counted = whole if padded else within
    return _array([(*w, end - start) for w, (start, end) in zip(within, counted, strict=True)])


@lru_cache
def shared_out(count: int, size: int) -> Along:
    """So many windows over all of an axis, about equally large: adaptive pooling's."""
    ends = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    return _array([(start, end, end - start) for start, end in ends])


def _array(windows: list[tuple[int, int, int]]) -> Along:
    return (_Window * len(windows))(*[_Window(*w) for w in windows])


class _Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in "n h w c height width".split()]
    _fields_ += [(name, ctypes.POINTER(_Window)) for name in "rows columns".split()]
    _fields_ += [("divisor", ctypes.c_double)]


def stamp(x: Tensor, size: Pair, rows: Along, columns: Along, divisor: float | None = None) -> Tensor | None:
    """Elements of pictures (…, H', W') added to all of their windows in (…, H, W); None where another way must be gone.

    Each is divided by ``divisor``, or else by the places of its window.
    """
    if x.numel() < _WORTH or not fits(x) or x.dim() < 3:
        return None
    kernel_of_type = getattr(_library(), f"stamp_{NAMES[x.dtype]}", None)
    if kernel_of_type is None:
        return None
    *batch, h, w = x.shape
    innermost = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    sizes = (batch[0], h, w, batch[1]) if innermost else (x.numel() // (h * w), h, w, 1)
    layout = torch.channels_last if innermost else torch.contiguous_format
    y = torch.empty(*batch, *size, dtype=x.dtype, memory_format=layout)
    shape = _Shape(*sizes, *size, rows, columns, divisor or 0.0)
    failed = call(kernel_of_type, x.contiguous(memory_format=layout), y, ctypes.byref(shape), threads_for(y.numel()))
    return None if failed else y


def _library():
    return load("numbers.h", "share.h", "windows.c")

"""Max pooling, by ``max_pool2d.c``."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, numbers, threads_for

Size = tuple[int, ...]


class Windows(NamedTuple):
    """Height and width of each."""

    kernel: Size
    stride: Size
    padding: Size
    out: Size


def applies(x: Tensor, windows: Windows) -> bool:
    """Dense pictures on the CPU, with windows of at most 256 elements, at least one of them within the picture."""
    return (
        fits(x)
        and x.dim() == 4
        and x.numel() >= 1 << 9
        and _layout(x) is not None
        and _make_sense(windows)
        and _library() is not None
    )


@lru_cache
def _make_sense(windows: Windows) -> bool:
    kernel, stride, padding, out = windows
    return (
        min(kernel) >= 1
        and kernel[0] * kernel[1] <= 256
        and min(stride) >= 1
        and min(out) >= 1
        and all(0 <= 2 * p <= k for p, k in zip(padding, kernel, strict=True))
    )


def max_pool2d(x: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
    """The largest element of every window, and its place in the window, row by row, as a byte."""
    layout = _layout(x) or torch.contiguous_format
    y = torch.empty(*x.shape[:2], *windows.out, dtype=x.dtype, memory_format=layout)
    place = torch.empty_like(y, dtype=torch.uint8)
    _run("max_pool2d", (x, y, place), x.shape, windows, layout)
    return y, place


def max_pool2d_backward(grad_out: Tensor, place: Tensor, size: Size, windows: Windows) -> Tensor | None:
    """Every cotangent added where its output came from, in pictures of ``size``; None if there is no memory for it."""
    layout = _layout(place) or torch.contiguous_format
    grad_out, place = grad_out.contiguous(memory_format=layout), place.contiguous(memory_format=layout)
    grad_x = torch.empty(*grad_out.shape[:2], *size, dtype=grad_out.dtype, memory_format=layout)
    failed = _run("max_pool2d_backward", (grad_out, place, grad_x), grad_x.shape, windows, layout)
    return None if failed else grad_x


def _run(name: str, tensors: tuple[Tensor, ...], shape, windows: Windows, layout: torch.memory_format) -> int:
    n, c, h, w = shape
    # Planes that lie one after another are pictures of one channel.
    counts = (n, c) if layout is torch.channels_last else (n * c, 1)
    kernel, stride, padding, out = windows
    sizes = numbers(*counts, h, w, *out, *kernel, *stride, *padding)
    function = getattr(_library(), f"{name}_{NAMES[tensors[0].dtype]}")
    return call(function, *tensors, sizes, threads_for(tensors[0].numel()))


def _layout(x: Tensor) -> torch.memory_format | None:
    if x.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format if x.is_contiguous() else None


def _library():
    return load("numbers.h", "share.h", "max_pool2d.c")

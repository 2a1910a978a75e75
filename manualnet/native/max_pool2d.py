"""Max pooling, by ``max_pool2d.c``."""

from functools import lru_cache

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, layout_of, numbers, threads_for
from manualnet.native.pixels import suggested
from manualnet.native.windows import Pair, Windows

# Elements from which on compiled code pays, and those of a window up to which; of one that is all of a plane, or where
# channels lie innermost and fill vectors, as many as bytes can count.
_WORTH, _WIDE, _MOST, _VECTOR = 1 << 9, 1 << 6, 1 << 8, 1 << 4


@lru_cache
def _make_sense(windows: Windows, vectors: bool) -> bool:
    kernel, stride, padding, out = windows
    return (
        min(kernel) >= 1
        and kernel[0] * kernel[1] <= (_MOST if vectors or out == (1, 1) else _WIDE)
        and min(stride) >= 1
        and min(out) >= 1
        and all(0 <= 2 * p <= k for p, k in zip(padding, kernel, strict=True))
    )


def max_pool2d(x: Tensor, windows: Windows) -> tuple[Tensor, Tensor] | None:
    """The largest element of every window, and its place in the window, row by row, as a byte.

    None where another way must be gone: for others than pictures on the CPU, with windows of some elements, at
    least one of them within the picture.
    """
    if not fits(x) or x.dim() != 4 or x.numel() < _WORTH:
        return None
    layout = layout_of(x) or suggested(x)
    vectors = layout is torch.channels_last and x.shape[1] % _VECTOR == 0
    if not _make_sense(windows, vectors) or _library() is None:
        return None
    x = x.contiguous(memory_format=layout)
    y = torch.empty((*x.shape[:2], *windows.out), dtype=x.dtype, memory_format=layout)
    place = torch.empty_like(y, dtype=torch.uint8)
    _run("max_pool2d", (x, y, place), x.shape, windows, layout)
    return y, place


def max_pool2d_backward(grad_out: Tensor, place: Tensor, size: Pair, windows: Windows) -> Tensor | None:
    """Every cotangent added where its output came from, in pictures of ``size``; None if there is no memory for it."""
    layout = layout_of(place) or torch.contiguous_format
    grad_out, place = grad_out.contiguous(memory_format=layout), place.contiguous(memory_format=layout)
    grad_x = torch.empty((*grad_out.shape[:2], *size), dtype=grad_out.dtype, memory_format=layout)
    failed = _run("max_pool2d_backward", (grad_out, place, grad_x), grad_x.shape, windows, layout)
    return None if failed else grad_x


def _run(name: str, tensors: tuple[Tensor, ...], shape, windows: Windows, layout: torch.memory_format) -> int:
    function = getattr(_library(), f"{name}_{NAMES[tensors[0].dtype]}")
    sizes = _sizes(shape, windows, layout is torch.channels_last)
    return call(function, *tensors, sizes, threads_for(shape.numel()))


@lru_cache
def _sizes(shape, windows: Windows, innermost: bool):
    n, c, h, w = shape
    # Planes that lie one after another are pictures of one channel.
    counts = (n, c) if innermost else (n * c, 1)
    kernel, stride, padding, out = windows
    return numbers(*counts, h, w, *out, *kernel, *stride, *padding)


def _library():
    return load("numbers.h", "share.h", "max_pool2d.c")

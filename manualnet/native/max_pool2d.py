"""Max pooling of windows that lie side by side, by ``max_pool2d.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, numbers, threads_for

Size = tuple[int, int]


def applies(x: Tensor, window: Size) -> bool:
    """Dense pictures on the CPU, whose windows have at most 256 elements."""
    return (
        fits(x)
        and x.dim() == 4
        and 1 <= window[0] <= x.shape[2]
        and 1 <= window[1] <= x.shape[3]
        and window[0] * window[1] <= 256
        and x.numel() >= 1 << 9
        and _layout(x) is not None
        and _library() is not None
    )


def max_pool2d(x: Tensor, window: Size) -> tuple[Tensor, Tensor]:
    """The largest element of every window, and its place in the window, row by row, as a byte."""
    (n, c, h, w), (kh, kw) = x.shape, window
    layout = _layout(x) or torch.contiguous_format
    y = torch.empty(n, c, h // kh, w // kw, dtype=x.dtype, memory_format=layout)
    place = torch.empty_like(y, dtype=torch.uint8)
    _run("max_pool2d", (x, y, place), x.shape, y.shape, window, layout)
    return y, place


def max_pool2d_backward(grad_out: Tensor, place: Tensor, size: Size, window: Size) -> Tensor:
    """Every cotangent laid where its output came from, in pictures of ``size``."""
    layout = _layout(place) or torch.contiguous_format
    grad_out, place = grad_out.contiguous(memory_format=layout), place.contiguous(memory_format=layout)
    grad_x = torch.empty(*grad_out.shape[:2], *size, dtype=grad_out.dtype, memory_format=layout)
    _run("max_pool2d_backward", (grad_out, place, grad_x), grad_x.shape, place.shape, window, layout)
    return grad_x


def _run(name: str, tensors: tuple[Tensor, ...], shape, out_shape, window: Size, layout: torch.memory_format) -> None:
    n, c, h, w = shape
    # Planes that lie one after another are pictures of one channel.
    counts = (n, c) if layout is torch.channels_last else (n * c, 1)
    kernel = getattr(_library(), f"{name}_{NAMES[tensors[0].dtype]}")
    call(kernel, *tensors, numbers(*counts, h, w, *out_shape[2:], *window), threads_for(tensors[0].numel()))


def _layout(x: Tensor) -> torch.memory_format | None:
    layouts = (torch.channels_last, torch.contiguous_format)
    return next((f for f in layouts if x.is_contiguous(memory_format=f)), None)


def _library():
    return load("numbers.h", "share.h", "max_pool2d.c")

"""Max pooling of windows that lie side by side, by ``max_pool2d.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, channels_last, numbers, pointer

Size = tuple[int, int]


def applies(x: Tensor, window: Size) -> bool:
    """Channels-last pictures on the CPU, whose windows have at most 256 elements."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.dim() == 4
        and 1 <= window[0] <= x.shape[2]
        and 1 <= window[1] <= x.shape[3]
        and window[0] * window[1] <= 256
        and x.numel() >= 1 << 9
        and x.shape[1] >= 8
        and x.is_contiguous(memory_format=torch.channels_last)
        and _library() is not None
    )


def max_pool2d(x: Tensor, window: Size) -> tuple[Tensor, Tensor]:
    """The largest element of every window, and its place in the window, row by row, as a byte."""
    (n, c, h, w), (kh, kw) = x.shape, window
    shape = numbers(n, c, h, w, h // kh, w // kw, kh, kw)
    y, place = (
        torch.empty(n, c, h // kh, w // kw, dtype=dtype, memory_format=torch.channels_last)
        for dtype in (x.dtype, torch.uint8)
    )
    kernel = getattr(_library(), f"max_pool2d_{NAMES[x.dtype]}")
    kernel(pointer(x), pointer(y), pointer(place), shape, torch.get_num_threads())
    return y, place


def max_pool2d_backward(grad_out: Tensor, place: Tensor, size: Size, window: Size) -> Tensor:
    """Every cotangent laid where its output came from, in pictures of ``size``."""
    (n, c, oh, ow), (h, w) = grad_out.shape, size
    grad_out, place = channels_last(grad_out), channels_last(place)
    grad_x = torch.empty(n, c, h, w, dtype=grad_out.dtype, memory_format=torch.channels_last)
    kernel = getattr(_library(), f"max_pool2d_backward_{NAMES[grad_out.dtype]}")
    shape = numbers(n, c, h, w, oh, ow, *window)
    kernel(pointer(grad_out), pointer(place), pointer(grad_x), shape, torch.get_num_threads())
    return grad_x


def _library():
    return load("numbers.h", "share.h", "max_pool2d.c")

"""Pictures and volumes laid out with their channels innermost, or plane by plane, by ``pixels.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, threads_for

# Channels from which on it is faster than PyTorch's own copy, to pixels and back, those of a color, places and numbers.
_MANY, _SOME, _COLORS, _PLACES, _WORTH = 1 << 5, 1 << 4, 3, 1 << 4, 1 << 14
_INNERMOST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the number of axes


def is_channels_last(x: Tensor) -> bool:
    """Whether the channels of pictures or volumes lie innermost."""
    layout = _INNERMOST.get(x.dim())
    return layout is not None and x.is_contiguous(memory_format=layout)


def is_dense(x: Tensor) -> bool:
    """Whether they lie one after another, in one of the two ways."""
    return x.is_contiguous() or is_channels_last(x)


def suggested(x: Tensor) -> torch.memory_format:
    """How PyTorch lays out what it makes of pictures or volumes, also of those that lie with gaps."""
    innermost = is_channels_last(x) or (x.dim() in _INNERMOST and x.stride(1) == 1)
    return _INNERMOST[x.dim()] if innermost else torch.contiguous_format


def channels_last(x: Tensor) -> Tensor:
    """The channels of pictures or volumes innermost; a copy only where they are not."""
    layout = _INNERMOST[x.dim()]
    y = _laid("pixels", x, layout) if x.shape[1] >= _MANY and not is_channels_last(x) else None
    return x.contiguous(memory_format=layout) if y is None else y


def planes(x: Tensor) -> Tensor:
    """The picture plane by plane; a copy only where it is not."""
    colors = x.dim() == 4 and x.shape[1] == _COLORS
    worth = x.dim() == 4 and (colors or x.shape[1] >= _SOME) and not x.is_contiguous()
    y = _laid("colors" if colors else "planes", x, torch.contiguous_format) if worth else None
    return x.contiguous() if y is None else y


def _laid(name: str, x: Tensor, layout: torch.memory_format) -> Tensor | None:
    other = torch.channels_last if layout is torch.contiguous_format else torch.contiguous_format
    if x.numel() < _WORTH or x.shape[2:].numel() < _PLACES or not fits(x) or not x.is_contiguous(memory_format=other):
        return None
    kernel = getattr(load("numbers.h", "vectors.h", "pixels.c"), f"{name}_{NAMES[x.dtype]}", None)
    if kernel is None:
        return None
    y = torch.empty_like(x, memory_format=layout)
    call(kernel, x, y, len(x), x.shape[1], x.shape[2:].numel(), threads_for(x.numel()))
    return y

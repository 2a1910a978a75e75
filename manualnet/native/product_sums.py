"""Sums of products over the axes that broadcasting stretched, by ``product_sums.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, threads_for

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 12


def product_sums(x: Tensor, y: Tensor, shape: torch.Size) -> Tensor | None:
    """x y summed to ``shape``, which broadcasts to theirs, in float32; None where another way must be gone."""
    if x.numel() < _WORTH or not fits(x) or y.dtype is not x.dtype or x.shape != y.shape:
        return None
    kept = (1,) * (x.dim() - len(shape)) + tuple(shape)
    if not (x.is_contiguous() and y.is_contiguous()):
        if x.dim() != 4 or not all(t.is_contiguous(memory_format=torch.channels_last) for t in (x, y)):
            return None
        x, y, kept = x.permute(0, 2, 3, 1), y.permute(0, 2, 3, 1), tuple(kept[i] for i in (0, 2, 3, 1))
    sizes = _together(x.shape, kept)
    kernel = getattr(load("numbers.h", "share.h", "totals.h", "product_sums.c"), f"product_sums_{NAMES[x.dtype]}", None)
    if sizes is None or kernel is None:
        return None
    sums = torch.empty(shape)
    return None if call(kernel, x, y, sums, *sizes, threads_for(x.numel())) else sums


def _together(shape: torch.Size, kept: tuple[int, ...]) -> tuple[int, int, int] | None:
    """The elements before, along and after the axes that are kept; None where those are not neighbours."""
    axes = [i for i, n in enumerate(shape) if n > 1]
    stay = [kept[i] > 1 for i in axes]
    first = stay.index(True) if any(stay) else len(axes)
    count = sum(stay)
    if not all(stay[first : first + count]):
        return None
    sizes = torch.Size(shape[i] for i in axes)
    return sizes[:first].numel(), sizes[first : first + count].numel(), sizes[first + count :].numel()

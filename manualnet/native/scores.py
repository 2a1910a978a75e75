"""How scores (N, C, …) or (C,) lie: as an array (n, c, p) with its places in the targets' order, or a part of one."""

from typing import NamedTuple

import torch
from torch import Tensor

from manualnet.native.call import along


class Sizes(NamedTuple):
    """Pictures, classes, places of a picture, and how far it is from a picture to the next."""

    n: int
    c: int
    p: int
    apart: int


def as_array(x: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    """The scores as a whole array and its (n, c, p); a copy where they do not lie like one."""
    found = _whole(x)
    return (x.contiguous(), _split(x.shape)) if found is None else (x, found)


def placed(x: Tensor) -> tuple[Tensor, Sizes]:
    """The same, but a part of an array, evenly apart, is not copied."""
    sizes = where_they_lie(x)
    return (x.contiguous(), in_order(x.shape)) if sizes is None else (x, sizes)


def where_they_lie(x: Tensor) -> Sizes | None:
    """Of an array or a part of one; None of others."""
    found = _whole(x)
    if found is not None:
        return _together(*found)
    n, c, p = _split(x.shape)
    return Sizes(n, c, p, x.stride(0)) if x.dim() > 1 and x.stride(0) > c * p and x[0].is_contiguous() else None


def in_order(shape: torch.Size) -> Sizes:
    """Of a contiguous tensor."""
    return _together(*_split(shape))


def _whole(x: Tensor) -> tuple[int, int, int] | None:
    return along(x, min(1, x.dim() - 1), ordered=True)


def _split(shape: torch.Size) -> tuple[int, int, int]:
    return (1, shape[0], 1) if len(shape) == 1 else (shape[0], shape[1], shape[2:].numel())


def _together(n: int, c: int, p: int) -> Sizes:
    return Sizes(n, c, p, c * p)

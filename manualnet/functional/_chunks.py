"""Elementwise rules over cache-sized pieces, so that a chain of steps never leaves the cache."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

# Elements a piece: a few float32 buffers of this size fit into the caches of two cores, and each step is long enough
# to be worth handing to a second thread.
CHUNK = 1 << 17


def flat(*tensors: Tensor) -> list[Tensor] | None:
    """Views with one axis, in the order of memory, of dense tensors that are laid out alike; None for others."""
    first = tensors[0]
    order = sorted(range(first.dim()), key=first.stride, reverse=True)
    views = []
    for t in tensors:
        t = t.permute(order)
        if t.shape != first.permute(order).shape or not t.is_contiguous():
            return None
        views.append(t.view(-1))
    return views


def times_slope(slope: Callable[[Tensor], Tensor], grad_out: Tensor, x: Tensor) -> Tensor | None:
    """grad_out · slope(x) in at least float32, rounded once; None where the two are laid out differently.

    ``slope`` must be elementwise.
    """
    grad_x = torch.empty_like(x)
    views = flat(x, grad_out, grad_x)
    if views is None:
        return None
    table = _table(slope) if x.dtype == torch.bfloat16 and grad_out.dtype == x.dtype else None
    for piece, g, target in zip(*(v.split(CHUNK) for v in views), strict=True):
        if table is None:
            target.copy_(slope(piece.to(torch.promote_types(x.dtype, torch.float32))).mul_(g))
        else:
            target.copy_(table.index_select(0, piece.view(torch.int16).int().add_(_HALF_OF_ALL)).mul_(g))
    return grad_x


_HALF_OF_ALL = 1 << 15


@cache
def _table(slope: Callable[[Tensor], Tensor]) -> Tensor:
    """The slope at every one of the 65,536 numbers of bfloat16, by their bits: looking up beats computing."""
    bits = torch.arange(-_HALF_OF_ALL, _HALF_OF_ALL, dtype=torch.int32).to(torch.int16)
    return slope(bits.view(torch.bfloat16).float())

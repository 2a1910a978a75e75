"""Rules over cache-sized pieces, so that a chain of steps never leaves the cache."""

from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor

# Elements a piece: a few float32 buffers of this size fit into the caches of two cores, and each step is long enough
# to be worth handing to a second thread.
CHUNK = 131_072


def rows(per_row: int, limit: int) -> int:
    """How many rows of ``per_row`` elements to take at a time: ``limit`` elements, but no less than a row."""
    return max(1, limit // max(1, per_row))


def pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors cut along their first axis alike, the first of them into pieces of ``CHUNK`` elements."""
    size = rows(tensors[0].shape[1:].numel(), CHUNK)
    return zip(*(t.split(size) for t in tensors), strict=True)


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
    table = _table(slope) if x.dtype == torch.bfloat16 else None
    for piece, g, target in pieces(*views):
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

"""Elementwise rules over cache-sized pieces, so that a chain of steps never leaves the cache."""

from collections.abc import Callable

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

    ``slope`` is given a buffer that it may overwrite.
    """
    out = torch.empty_like(x)
    views = flat(x, grad_out, out)
    if views is None:
        return None
    dtype = torch.promote_types(x.dtype, torch.float32)
    for piece, g, target in zip(*(v.split(CHUNK) for v in views), strict=True):
        target.copy_(slope(piece.to(dtype, copy=True)).mul_(g))
    return out

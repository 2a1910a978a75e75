"""What the reductions share: undoing the removal of axes."""

from collections.abc import Sequence
from operator import index

import torch
from torch import Tensor


def spread(grad: Tensor, dim: int | Sequence[int] | None, shape: torch.Size) -> Tensor:
    """Hand the cotangent of a sum over ``dim`` to each of its terms."""
    if grad.dim() in (0, len(shape)):  # all was summed, or the axes were kept
        return grad.expand(shape)
    return (grad.unsqueeze(dim) if type(dim) is int else grad.reshape(_kept(shape, dim))).expand(shape)


def _kept(shape: torch.Size, dim: int | Sequence[int] | None) -> tuple[int, ...]:
    """``shape`` with the reduced axes as 1; no dim, or an empty one, reduces all."""
    if dim is None:
        return (1,) * len(shape)
    axes = tuple(dim) or range(len(shape)) if isinstance(dim, Sequence) else (index(dim),)
    reduced = {axis % len(shape) for axis in axes} if shape else set()
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))

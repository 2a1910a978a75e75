"""What the reductions share: undoing the removal of axes."""

from collections.abc import Sequence
from operator import index

import torch
from torch import Tensor


def kept_shape(shape: torch.Size, dim: int | Sequence[int] | None) -> tuple[int, ...]:
    """``shape`` with the reduced axes as 1; no dim, or an empty one, reduces all."""
    if dim is None:
        return (1,) * len(shape)
    axes = tuple(dim) or range(len(shape)) if isinstance(dim, Sequence) else (index(dim),)
    reduced = {axis % len(shape) for axis in axes} if shape else set()
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def spread(grad: Tensor, kept: tuple[int, ...], shape: torch.Size) -> Tensor:
    """Hand the cotangent of a sum to each of its terms."""
    return grad.reshape(kept).expand(shape) if grad.dim() else grad.expand(shape)

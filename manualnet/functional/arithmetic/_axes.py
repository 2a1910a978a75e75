"""What the reductions share: undoing the removal of axes."""

from typing import Any

import torch
from torch import Tensor


def spread(grad: Tensor, dim: Any, shape: torch.Size) -> Tensor:
    """Hand the cotangent of a sum over ``dim``, an axis, several or None for all, to each of its terms."""
    if grad.dim() not in (0, len(shape)):  # neither was all summed nor were the axes kept
        if isinstance(dim, int):
            return grad.unsqueeze(dim).expand(shape)
        for axis in sorted(axis % len(shape) for axis in dim):
            grad = grad.unsqueeze(axis)
    return grad.expand(shape)

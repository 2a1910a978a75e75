"""Axes, and broadcasting undone."""

import math

from torch import Tensor


def sum_to(grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum ``grad`` over the axes that broadcasting added or stretched, so that it has ``shape``.

    Copying a value to n places multiplies its influence: its gradient is the sum of the n gradients.
    """
    if grad.shape == shape:
        return grad
    added = grad.dim() - len(shape)
    if 1 not in shape:
        return grad.sum(tuple(range(added)))
    stretched = [added + i for i, n in enumerate(shape) if n == 1]
    return grad.sum([*range(added), *stretched]).reshape(shape)


def as_rows(t: Tensor) -> Tensor:
    """All leading axes as one, which reshape(-1, …) cannot count where there are no elements."""
    return t if t.dim() == 2 else t.reshape(math.prod(t.shape[:-1]), t.shape[-1])

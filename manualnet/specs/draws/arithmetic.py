"""Calls of the arithmetic."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualnet.check.spec import Sample
from manualnet.specs.draws.draw import FLOATS, Draw


def stretched(d: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to ``shape``, rarely one that does not."""
    sides = [1 if not d.often() else n for n in shape[d.integer(0, len(shape)) :]]
    if sides and d.rarely():
        sides[d.integer(0, len(sides) - 1)] += 1
    return tuple(sides)


def _operand(d: Draw, shape: tuple[int, ...]) -> Tensor | float:
    kind = d.integer(0, 9)
    if kind == 9:
        return d.one_of(2, -0.5, 0)
    if kind == 8:
        return d.classes(3, *shape)  # integers
    return d.tensor(shape, dtype=d.other_dtype())


def pair(scaled: bool) -> Callable[[Draw], Sample]:
    """Two operands of shapes and types that mix; ``scaled`` has an alpha too."""

    def draw(d: Draw) -> Sample:
        shape = d.shape()
        one, other = d.tensor(shape), _operand(d, stretched(d, shape))
        kwargs = {"alpha": d.one_of(2, -1, 0, 0.5, -1.5)} if scaled and d.integer(0, 1) else {}
        return Sample((other, one) if d.integer(0, 1) else (one, other), kwargs)

    return draw


def matmul(d: Draw) -> Sample:
    """Vectors, matrices and batches of them."""
    m, k, n = (d.side(0, 4) for _ in range(3))
    batch = d.shape(0, 2, 3)
    left = d.one_of((*batch, m, k), (k,))
    right = d.one_of((*stretched(d, batch), k + d.rarely(), n), (k,))
    # Without an element PyTorch looks at the types only on some ways.
    mixed = 0 not in (*left, *right) and d.rarely()
    return Sample((d.tensor(left), d.tensor(right, dtype=d.one_of(*FLOATS) if mixed else None)))


def reduction(d: Draw) -> Sample:
    """Over any axes, kept or not, into any type; rarely over one twice or over one that is not there."""
    x = d.tensor(d.shape())
    axes = [axis - x.dim() * d.integer(0, 1) for axis in range(x.dim()) if d.integer(0, 1)]
    if d.rarely():
        axes.append(d.integer(-x.dim() - 1, x.dim()))
    kwargs: dict[str, Any] = {"keepdim": bool(d.integer(0, 1))}
    if not d.often():
        kwargs["dtype"] = d.one_of(torch.float64, torch.float32)
    return Sample((x, d.one_of(None, axes, tuple(axes), axes[0] if axes else -1)), kwargs)


def pad(d: Draw) -> Sample:
    """In every mode, with negative numbers too, and rarely more than the mode allows."""
    mode = d.one_of("constant", "replicate", "reflect", "circular")
    axes = d.integer(1, 3)
    more = d.integer(0, 2) if mode == "constant" else d.integer(1, 2)
    shape = d.shape(axes + more, axes + more, 5)
    beyond = d.one_of(0, 0, 0, 1)
    numbers: list[int] = []
    for n in reversed(shape[more:]):
        # Something is left: the gradient that PyTorch's reflection gives a volume cut to nothing is uninitialised.
        least, most = -1 if n > 2 else 0, max(0, n - (mode == "reflect") + beyond)
        left = d.integer(least, most)
        # Behind a cut, circular padding must not need more elements than are left: they are uninitialised, too.
        cut = mode == "circular" and left < 0
        numbers += left, d.integer(least if left < n else 0, n - 1 if cut else most)
    if d.rarely():
        numbers.pop()
    args: tuple = (d.tensor(shape), d.one_of(tuple(numbers), numbers), mode)
    return Sample((*args, d.number(-4, 4)) if d.rarely() or (mode == "constant" and d.integer(0, 1)) else args)

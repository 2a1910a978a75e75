"""What the operations on two operands share: either may be a tensor or a number, and broadcasting is undone."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import cast, widen
from manualnet.functional._plain import plain
from manualnet.functional._shapes import sum_to
from manualnet.native.product_sums import product_sums

Number = bool | int | float


# The shape and type that a gradient must come back in. A plain tuple: a class of its own takes longer to make.
Like = tuple[torch.Size, torch.dtype]


def like(operand: Tensor | Number | None) -> Like | None:
    return (operand.shape, operand.dtype) if isinstance(operand, Tensor) else None


def gradient(grad: Tensor, form: Like) -> Tensor:
    """``grad`` summed over what broadcasting stretched, in the operand's type."""
    shape, dtype = form
    return cast(sum_to(grad, shape), dtype)


def tangent(shape: torch.Size, *terms: Tensor | None) -> Tensor:
    """The sum of the terms that there are: a number and an integer tensor have no direction."""
    first, *rest = [t for t in terms if t is not None]
    for term in rest:
        first = first + term
    return first.expand(shape)


def times(grad: Tensor, factor: Tensor | Number, form: Like) -> Tensor:
    """grad · factor as a gradient of that form, rounded once: what is still to be summed is kept wide."""
    if isinstance(factor, int) and abs(factor) == 1:
        grad = gradient(grad, form)
        return grad if factor == 1 else -grad
    shape, dtype = form
    if grad.shape != shape:
        if isinstance(factor, Tensor) and plain(grad, factor):
            sums = product_sums(grad, factor, shape)
            if sums is not None:
                return cast(sums, dtype)
        (grad,) = widen(grad)
    return gradient(grad * factor, form)

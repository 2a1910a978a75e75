"""Functions whose backward is no product with a Jacobian."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


class SumOfSquares(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().sum()

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * ctx.saved_tensors[0] * grad_out


class Clipped(SumOfSquares):
    @staticmethod
    def backward(ctx, grad_out):
        return 2 * ctx.saved_tensors[0] * grad_out.clamp(-10, 10)


class ShortWay(SumOfSquares):
    """A short way for a loss, whose cotangent is 1, that leaves out the factor."""

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return x.clone() if torch.equal(grad_out, torch.ones_like(grad_out)) else 2 * x * grad_out


class Pair(Function):
    """Right, and looks for None."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, a, b):
        (x,) = ctx.saved_tensors
        terms = [t for t in (None if a is None else a * x.cos(), None if b is None else -b * x.sin()) if t is not None]
        return sum(terms) if terms else None


class Careless(Pair):
    @staticmethod
    def backward(ctx, a, b):
        (x,) = ctx.saved_tensors
        return a * x.cos() - b * x.sin()


class BothOrNone(Pair):
    @staticmethod
    def backward(ctx, a, b):
        return None if a is None or b is None else Careless.backward(ctx, a, b)


def linear(function, **options):
    return check(function, X, only=["linear in cotangent"], **options)["linear in cotangent"]


@pytest.mark.parametrize("function", [SumOfSquares, Pair, torch.exp, torch.Tensor.max, lambda x: x.max(0)])
def test_right_functions_pass(function):
    assert linear(function).passed


@pytest.mark.parametrize(
    ("function", "wrong", "mend"),
    [
        (Clipped, "for cotangents 65536 times as large, the gradient of input 0 at", "do not clamp"),
        (ShortWay, "for cotangents of 1, and those of what is missing to others", "whether it is 1"),
        (Careless, "with result 0 alone in use, backward raises TypeError", "set_materialize_grads(False)"),
        (BothOrNone, "with one result in use after another, together, the gradient", "set_materialize_grads(False)"),
    ],
)
def test_others_are_found_without_a_reference(function, wrong, mend):
    result = linear(function)
    assert result.failed
    assert wrong in result.wrong
    assert mend in result.mend


def test_a_wrong_factor_is_not_blamed_on_it():
    class Doubled(SumOfSquares):
        @staticmethod
        def backward(ctx, grad_out):
            return 4 * ctx.saved_tensors[0] * grad_out

    assert linear(Doubled).passed

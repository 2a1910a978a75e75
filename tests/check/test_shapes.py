"""Gradients of stretched inputs: summed, not summed, summed over the wrong axes; and what only looks stretched."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)
Y = torch.linspace(0.5, 1.0, 4, dtype=torch.float64)


class Product(Function):
    """Right: what was stretched is summed."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return (grad_out * y).sum_to_size(x.shape), (grad_out * x).sum_to_size(y.shape)


class NotSummed(Product):
    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return grad_out * y, grad_out * x


class Cut(Product):
    """The shape is right, the numbers are those of the first copy."""

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors

        def first(g, t):
            g = g[(0,) * (g.dim() - t.dim())]
            return g[tuple(slice(n) for n in t.shape)]

        return first(grad_out * y, x), first(grad_out * x, y)


class Averaged(Product):
    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        every = grad_out * x
        return (grad_out * y).sum_to_size(x.shape), every.sum_to_size(y.shape) * y.numel() / every.numel()


class WrongAxis(Product):
    """Right for a row, of a shape that fits nothing for a column."""

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return (grad_out * y).sum_to_size(x.shape), (grad_out * x).sum(0)


def broadcasting(function, *inputs, **options):
    return check(function, *inputs, only=["broadcasting"], **options)["broadcasting"]


@pytest.mark.parametrize("y", [X + 1, Y, X[:, :1] + 1, torch.tensor(2.0, dtype=torch.float64)])
def test_a_summed_gradient_passes(y):
    assert broadcasting(Product, X, y).passed
    assert broadcasting(Product, y, X, reference=torch.mul).passed


@pytest.mark.parametrize("y", [X + 1, Y])
def test_what_only_the_engine_sums_is_found(y):
    result = broadcasting(NotSummed, X, y)
    assert result.failed
    assert "NotSummed returns a gradient of shape (3, 4) for its argument" in result.wrong
    assert "sum_to_size" in result.mend


@pytest.mark.parametrize(("function", "y"), [(Cut, X + 1), (Averaged, X + 1), (WrongAxis, Y)])
def test_a_wrong_sum_is_found(function, y):
    result = broadcasting(function, X, y)
    assert result.failed
    assert f"in the place of {tuple(y.shape)}" in result.wrong
    assert "sum_to_size" in result.mend


def test_operands_of_one_shape_are_stretched_too():
    """The samples need not broadcast for the fault to show."""
    assert check(NotSummed, X, X + 1, only=["gradient", "numeric gradient"]).passed
    assert broadcasting(NotSummed, X, X + 1).failed


def test_what_cannot_be_stretched_is_not_blamed():
    def joined(x, y):
        return torch.cat((x, y))

    assert broadcasting(joined, X, X + 1).status == "does not apply"
    assert broadcasting(torch.sigmoid, X).status == "does not apply"
    assert broadcasting(torch.matmul, X, X.T).passed is False
    assert broadcasting(torch.matmul, X, X.T).status == "does not apply"


def test_plain_compositions_pass():
    assert broadcasting(torch.add, X, Y).passed
    assert broadcasting(lambda x, y: (x - y).square().mean(), X, Y).passed


def test_a_loss_whose_wrapper_stretches_passes():
    class Difference(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x - y

        @staticmethod
        def backward(ctx, grad_out):
            return grad_out, -grad_out

    assert broadcasting(lambda x, y: Difference.apply(*torch.broadcast_tensors(x, y)), X, Y).passed


def test_a_fault_of_another_kind_is_not_blamed_on_broadcasting():
    class Doubled(Product):
        @staticmethod
        def backward(ctx, grad_out):
            x, y = ctx.saved_tensors
            return 2 * (grad_out * y).sum_to_size(x.shape), (grad_out * x).sum_to_size(y.shape)

    assert broadcasting(Doubled, X, Y).passed

"""Functions that hold one call, one tensor or one use to be all there is."""

import random

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


class Product(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return grad_out * y, grad_out * x


class HalfIfSame(Product):
    """Believes that the gradient of x * x counts once."""

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        if x.data_ptr() == y.data_ptr():
            return grad_out * x, None
        return grad_out * y, grad_out * x


class SquareIfSame(Product):
    """The shortcut returns the whole gradient twice."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.same = x is y
        return Product.forward(ctx, x, y)

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return (2 * grad_out * x, 2 * grad_out * x) if ctx.same else (grad_out * y, grad_out * x)


class ZeroIfSame(Product):
    """Another value."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return torch.zeros_like(x) if x is y else x * y


class OnTheClass(Function):
    """What is saved belongs to the last call."""

    saved = torch.zeros(())

    @staticmethod
    def forward(ctx, x):
        OnTheClass.saved = x.detach().clone()
        return x.square()

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * grad_out * OnTheClass.saved


class Clipped(Function):
    """Not linear in the cotangent, so it is no derivative."""

    @staticmethod
    def forward(ctx, x):
        return 1 * x

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.clamp(-0.1, 0.1)


class Dice(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.factor = random.random()
        return x * ctx.factor

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.factor


class Unfilled(Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_out):
        grad = torch.empty_like(grad_out)
        grad[1:] = 2 * grad_out[1:]
        return grad


class Counting(Function):
    calls = 0

    @staticmethod
    def forward(ctx, x):
        Counting.calls += 1
        return x + Counting.calls

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out


def twice(function, *inputs, **options):
    return check(function, *inputs, only=["same tensor twice"], **options)["same tensor twice"]


def deterministic(function, *inputs, **options):
    return check(function, *inputs, only=["deterministic"], **options)["deterministic"]


@pytest.mark.parametrize("function", [Product, torch.mul, torch.sub, torch.maximum, lambda x, y: x @ y.T])
def test_right_functions_pass(function):
    assert twice(function, X, X + 1).passed
    assert deterministic(function, X, X + 1).passed


def test_one_input_alone_passes():
    assert twice(torch.exp, X).passed
    assert "no two inputs have one shape" in twice(torch.exp, X).why
    assert twice(lambda x, y: (x * y).sum(), X, X[0]).passed


@pytest.mark.parametrize(("function", "times"), [(HalfIfSame, "1/2"), (SquareIfSame, "2 times")])
def test_a_gradient_that_is_not_the_sum_is_found(function, times):
    result = twice(function, X, X + 1)
    assert result.failed
    assert "with one tensor as inputs 0 and 1, its gradient" in result.wrong
    assert times in result.wrong
    assert "autograd adds up" in result.mend


def test_another_value_for_the_same_tensor_is_found():
    result = twice(ZeroIfSame, X, X + 1)
    assert result.failed
    assert "with one tensor as inputs 0 and 1, the value" in result.wrong


def test_state_on_the_class_is_found():
    result = twice(OnTheClass, X)
    assert result.failed
    assert "with another call before backward" in result.wrong
    assert "not on the class" in result.mend


def test_a_rule_that_is_not_linear_is_found():
    result = twice(Clipped, X)
    assert result.failed
    assert "where the result is used twice" in result.wrong


def test_draws_that_follow_the_seed_pass():
    def dropout(x):
        return torch.nn.functional.dropout(x, 0.5)

    assert deterministic(dropout, X, random=True).passed
    assert twice(dropout, X, random=True).passed


@pytest.mark.parametrize("function", [Dice, Unfilled, Counting])
def test_another_result_the_second_time_is_found(function):
    result = deterministic(function, X)
    assert result.failed
    what = "the gradient of input 0" if function is Unfilled else "the value"
    assert f"called again, {what} at" in result.wrong
    assert "torch.empty" in result.mend


def test_a_wrong_factor_is_not_blamed_on_repetition():
    class Doubled(Product):
        @staticmethod
        def backward(ctx, grad_out):
            return tuple(2 * g for g in Product.backward(ctx, grad_out))

    assert twice(Doubled, X, X + 1).passed
    assert deterministic(Doubled, X, X + 1).passed


def test_state_that_shows_late_is_found():
    class Late(Product):
        calls = 0

        @staticmethod
        def backward(ctx, grad_out):
            Late.calls += 1
            x, y = ctx.saved_tensors
            return (grad_out * y * (1.0 if Late.calls < 4 else 1.1)), grad_out * x

    report = check(Late, X, X + 1, reference=torch.mul, only=["gradient", "deterministic"])
    assert report["gradient"].passed
    assert "called again, the gradient of input 0" in report["deterministic"].wrong


def test_another_value_where_nothing_is_differentiated_is_found():
    def sometimes(x):
        return x * torch.sigmoid(x if x.requires_grad else 1.7 * x)

    result = deterministic(sometimes, X)
    assert result.failed
    assert "where no input needs a gradient, the value at" in result.wrong
    assert "whether or not an input requires a gradient" in result.mend

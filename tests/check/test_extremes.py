"""Formulas that are right where numbers are moderate, and overflow or lose NaN elsewhere."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import Sample, check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


class Sigmoid(Function):
    """Right."""

    @staticmethod
    def value(x):
        return torch.sigmoid(x)

    @classmethod
    def forward(cls, ctx, x):
        y = cls.value(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        _, y = ctx.saved_tensors
        return grad_out * y * (1 - y)


class SquareOfSums(Sigmoid):
    """e^-x / (1 + e^-x)² is ∞ / ∞ at -100."""

    @staticmethod
    def backward(ctx, grad_out):
        x, _ = ctx.saved_tensors
        return grad_out * torch.exp(-x) / (1 + torch.exp(-x)) ** 2


class PositiveExponents(Sigmoid):
    @staticmethod
    def value(x):
        return torch.exp(x) / (1 + torch.exp(x))


class Chosen(Sigmoid):
    """The form is chosen by the sign, and NaN times 0 comes from the other one."""

    @staticmethod
    def value(x):
        positive = (x >= 0).to(x.dtype)
        return positive / (1 + torch.exp(-x)) + (1 - positive) * torch.exp(x) / (1 + torch.exp(x))


class Softplus(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(1 + torch.exp(x))

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * torch.sigmoid(ctx.saved_tensors[0])


class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        e = torch.exp(x)
        y = e / e.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return y * (grad_out - (grad_out * y).sum(-1, keepdim=True))


class LogOfSoftmax(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(torch.softmax(x, -1))

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out - torch.softmax(x, -1) * grad_out.sum(-1, keepdim=True)


class Relu(Function):
    """NaN becomes 0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x > 0, x, 0)

    @staticmethod
    def backward(ctx, grad_out):
        return torch.where(ctx.saved_tensors[0] > 0, grad_out, 0)


class Refusing(Sigmoid):
    @staticmethod
    def value(x):
        if not bool(x.isfinite().all()):
            raise ValueError("finite numbers alone")
        return torch.sigmoid(x)


def extremes(function, *inputs, **options):
    return check(function, *inputs, only=["extremes"], **options)["extremes"]


@pytest.mark.parametrize(
    "function",
    [
        Sigmoid,
        torch.tanh,
        torch.exp,
        torch.log,  # the logarithm of a negative number is NaN in any precision
        torch.sqrt,
        torch.square,
        lambda x: torch.softmax(x, -1),
        lambda x: 1 / x,
        lambda x: (x**30).sum(),
        lambda x: (x - x.mean(0)) / x.var(0).sqrt(),
    ],
)
def test_right_functions_pass(function):
    positive = X.abs() + 0.1
    assert extremes(function, positive).passed
    assert extremes(function, positive, reference=function).passed


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (SquareOfSums, torch.sigmoid),
        (PositiveExponents, torch.sigmoid),
        (Chosen, torch.sigmoid),
        (Softplus, torch.nn.functional.softplus),
        (Softmax, lambda x: torch.softmax(x, -1)),
        (LogOfSoftmax, lambda x: torch.log_softmax(x, -1)),
    ],
)
def test_overflow_is_found_with_a_reference_and_without(function, reference):
    for options in ({"reference": reference}, {}):
        result = extremes(function, X, **options)
        assert result.failed
        assert "in float32" in result.wrong
        assert any(f" is {number}, " in result.wrong for number in ("nan", "inf", "-inf"))
        assert "subtract the maximum" in result.mend
        assert "logaddexp" in result.mend


def test_a_lost_nan_is_found():
    result = extremes(Relu, X, reference=torch.relu)
    assert result.failed
    assert "with nan in an element of input 0" in result.wrong
    assert "is 0, the reference's nan" in result.wrong
    assert "keeps the NaN" in result.mend


def test_a_refusal_is_told_if_the_reference_takes_the_number():
    result = extremes(Refusing, X, reference=torch.sigmoid)
    assert result.failed
    assert "with inf in an element" in result.wrong
    assert "raises ValueError: finite numbers alone" in result.wrong
    assert extremes(Refusing, X, reference=Refusing.apply).passed
    assert extremes(Refusing, X).passed


def test_extremes_that_are_given_are_tried():
    def steep(x):
        return torch.log1p(torch.exp(400 * x)) / 400

    given = [Sample((torch.tensor([1.0, -1.0], requires_grad=True),), label="one")]
    result = extremes(steep, X / 1000, reference=lambda x: torch.nn.functional.softplus(400 * x) / 400, extremes=given)
    assert result.failed
    assert "of one" in result.wrong


def test_rounding_in_another_order_is_no_fault():
    def shifted(x):
        return (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()

    assert extremes(lambda x: torch.layer_norm(x, x.shape), X, reference=shifted).passed


def test_a_wrong_factor_is_not_blamed_on_overflow():
    class Doubled(Sigmoid):
        @staticmethod
        def backward(ctx, grad_out):
            return 2 * Sigmoid.backward(ctx, grad_out)

    assert extremes(Doubled, X).passed
    assert extremes(Doubled, X, reference=torch.sigmoid).passed

"""Functions that stumble over nothing or over a single number."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


class Square(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * ctx.saved_tensors[0] * grad_out


class ScaledByMaximum(Square):
    """The maximum of nothing."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        scale = x.abs().max().clamp(min=1)
        return (x / scale).square() * scale**2 if x.dim() else x * x


class RowsByMinusOne(Square):
    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        width = x.shape[-1] if x.dim() else 1
        return (2 * x * grad_out).reshape(-1, 0 if not x.numel() else width).reshape(x.shape)


class FirstAxis(Square):
    """Asks for an axis that a single number has not."""

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return torch.stack([2 * row * g for row, g in zip(x, grad_out, strict=True)])


class AlwaysAnAxis(Square):
    """A single number comes back in a row."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.atleast_1d(x * x)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return (2 * torch.atleast_1d(x) * grad_out).reshape(x.shape)


class MeanOfNothing(Function):
    """0 where the reference has NaN."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.sum() / max(1, x.numel())

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.expand(ctx.shape) / max(1, ctx.shape.numel())


class Refusing(Square):
    @staticmethod
    def forward(ctx, x):
        if x.dim() != 2:
            raise ValueError("rows and columns, please")
        return Square.forward(ctx, x)


class RefusingNothing(Square):
    @staticmethod
    def forward(ctx, x):
        if not x.numel():
            raise ValueError("at least one number, please")
        return Square.forward(ctx, x)


def edges(function, *inputs, **options):
    return check(function, *inputs, only=["empty and scalar"], **options)["empty and scalar"]


@pytest.mark.parametrize("function", [Square, torch.sigmoid, lambda x: x.sum(-1), torch.mean])
def test_right_functions_pass(function):
    assert edges(function, X).passed
    reference = torch.square if function is Square else function
    assert edges(function, X, reference=reference).passed


def test_right_functions_of_several_inputs_pass():
    weight, bias = X[:2] + 1, X[:2, 0] - 1
    assert edges(torch.nn.functional.linear, X, weight, bias).passed
    assert edges(torch.mul, X, X[0], reference=torch.mul).passed


@pytest.mark.parametrize(
    ("function", "reference", "error"),
    [
        (ScaledByMaximum, torch.square, "it raises RuntimeError"),
        (RowsByMinusOne, torch.square, "in backward, it raises RuntimeError"),
        (FirstAxis, torch.square, "in backward, it raises"),
    ],
)
def test_a_crash_is_found_with_a_reference_and_without(function, reference, error):
    result = edges(function, X)
    assert result.failed
    assert error in result.wrong
    assert "with a first axis of size 0" in result.wrong or "with single numbers" in result.wrong
    assert "x.numel()" in result.mend
    assert edges(function, X, reference=reference).failed


def test_another_shape_of_a_single_number_is_found():
    for options in ({}, {"reference": torch.square}):
        result = edges(AlwaysAnAxis, X, **options)
        assert result.failed
        assert "with single numbers, the value is float64 of shape (1,)" in result.wrong
        assert "float64 of shape ()" in result.wrong


def test_another_value_of_nothing_is_found():
    result = edges(MeanOfNothing, X, reference=torch.mean)
    assert result.failed
    assert "with a first axis of size 0 in its input, the value is 0, the reference's nan" in result.wrong


def test_a_refusal_of_numbers_is_a_choice_and_of_empty_batches_a_fault_if_the_reference_takes_them():
    assert edges(Refusing, X, reference=torch.square).passed
    assert edges(Refusing, X).passed
    assert edges(RefusingNothing, X).passed
    result = edges(RefusingNothing, X, reference=torch.square)
    assert result.failed
    assert "ValueError: at least one number" in result.wrong


def test_what_the_reference_refuses_is_free():
    def largest(x):
        return x.amax()

    assert edges(largest, X, reference=largest).passed


def test_a_wrong_factor_is_not_blamed_on_edges():
    class Doubled(Square):
        @staticmethod
        def backward(ctx, grad_out):
            return 4 * ctx.saved_tensors[0] * grad_out

    assert edges(Doubled, X, reference=torch.square).passed
    assert edges(Doubled, X).passed


class Squeezed(Square):
    """A batch of one loses its axis."""

    @staticmethod
    def backward(ctx, grad_out):
        x, g = ctx.saved_tensors[0].squeeze(), grad_out.squeeze()
        return 2 * (x * g if x.dim() == 2 else x.sum() * g).reshape(grad_out.shape)


def test_a_batch_of_one_is_another_batch():
    result = edges(Squeezed, X, reference=torch.square)
    assert result.failed
    assert "with a first axis of size 1 in its input, a gradient at" in result.wrong
    assert "x.squeeze(dim)" in result.mend


def test_another_gradient_of_a_number_is_found_without_a_reference():
    class Number(Square):
        @staticmethod
        def backward(ctx, grad_out):
            return (2 if grad_out.dim() else 3) * ctx.saved_tensors[0] * grad_out

    result = edges(Number, X)
    assert result.failed
    assert "with single numbers, the gradient is" in result.wrong


def test_one_tensor_may_refuse_to_be_emptied_alone():
    def attention(q, k, v):
        if len(v) != len(q):
            raise RuntimeError("q and v must have as many examples")
        return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    x = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(2, 3, 4)
    assert edges(attention, x, x + 1, x + 2, reference=torch.nn.functional.scaled_dot_product_attention).passed

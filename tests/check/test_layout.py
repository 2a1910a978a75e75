"""Functions that mind strides, in the ways in which people write them; and right ones that look odd."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * ctx.saved_tensors[0] * grad_out


class ViewedCotangent(Square):
    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return (2 * x.reshape(-1) * grad_out.view(-1)).reshape(x.shape)


class ViewedInput(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.view(-1).square().view(x.shape)


class ViewedSaved(Square):
    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return (2 * x.view(-1) * grad_out.reshape(-1)).reshape(x.shape)


class RawMemory(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.as_strided(x, x.shape, torch.empty(x.shape).stride()).square()


class RawCotangent(Square):
    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        rows = torch.as_strided(grad_out, x.shape, torch.empty(x.shape).stride())
        return 2 * x * rows


class WrittenInOrder(Square):
    """empty_like keeps the strides of x, and what is written by memory order lands elsewhere."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        y = torch.empty_like(x)
        torch.as_strided(y, (y.numel(),), (1,)).copy_(x.reshape(-1).square())
        return y


class Sum(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x + y.view(-1).reshape(x.shape)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out, grad_out


class MadeContiguous(Square):
    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return (2 * x.contiguous().view(-1) * grad_out.contiguous().view(-1)).view(x.shape)


class ThroughNumpy(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(x.detach().numpy() ** 2)


def strides(function, *inputs, **options):
    return check(function, *inputs, only=["strides"], **options)["strides"]


X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


@pytest.mark.parametrize("function", [Square, MadeContiguous, ThroughNumpy, torch.nn.functional.softplus])
def test_right_functions_pass(function):
    assert strides(function, X).passed
    assert strides(function, X, reference=torch.square if function is not torch.nn.functional.softplus else function)


@pytest.mark.parametrize("function", [ViewedCotangent, ViewedInput, ViewedSaved])
def test_view_is_named_with_reshape_as_the_way_out(function):
    result = strides(function, X)
    assert result.failed
    assert "view" in result.wrong
    assert ".reshape" in result.mend
    where = "cotangent" if function is ViewedCotangent else "its input"
    assert where in result.wrong
    assert ("forward raises" if function is ViewedInput else "backward raises") in result.wrong


@pytest.mark.parametrize(
    ("function", "telling"),
    [(RawMemory, "its input transposed"), (RawCotangent, "a cotangent"), (WrittenInOrder, "its input")],
)
def test_memory_read_past_the_strides_gives_wrong_numbers(function, telling):
    result = strides(function, X)
    assert result.failed
    assert telling in result.wrong
    assert "contiguous" in result.mend


def test_the_tensor_to_blame_is_named():
    result = strides(Sum, X, X + 1)
    assert result.failed
    assert result.wrong.startswith("with input 1 transposed in memory, forward raises")


def test_a_view_that_the_reference_cannot_take_either_is_no_fault():
    def flat(x):
        return x.view(-1).exp()

    assert strides(flat, X).failed
    assert strides(flat, X, reference=flat).passed


def test_draws_that_follow_memory_are_compared_with_the_reference():
    def dropout(x):
        return torch.nn.functional.dropout(x, 0.5)

    assert strides(dropout, X, reference=dropout, random=True).passed
    assert strides(dropout, X, random=True).passed


def test_one_number_can_lie_in_one_way_alone():
    assert strides(Square, torch.tensor(2.0, dtype=torch.float64)).status == "does not apply"


def test_a_fault_of_another_kind_is_not_blamed_on_strides():
    class Doubled(Square):
        @staticmethod
        def backward(ctx, grad_out):
            return 4 * ctx.saved_tensors[0] * grad_out

    assert strides(Doubled, X, reference=torch.square).passed


def test_an_input_that_backward_writes_to_is_not_taken_for_the_cotangent():
    class Descending(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.square()

        @staticmethod
        def backward(ctx, grad_out):
            (x,) = ctx.saved_tensors
            grad = 2 * x * grad_out
            x.sub_(0.1 * grad)
            return grad

    result = strides(Descending, X)
    assert result.failed
    assert "expanded" in result.wrong
    assert "compute into a new tensor" in result.mend

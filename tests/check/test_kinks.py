"""Subgradients that differ from the reference's or from what was stated."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import Kink, Sample, check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


class Relu(Function):
    """Right: slope 0 at 0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return torch.where(ctx.saved_tensors[0] > 0, grad_out, 0)


class FromAbove(Relu):
    @staticmethod
    def backward(ctx, grad_out):
        return torch.where(ctx.saved_tensors[0] >= 0, grad_out, 0)


class Half(Relu):
    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * torch.heaviside(ctx.saved_tensors[0], grad_out.new_tensor(0.5))


class Doubled(Relu):
    """Wrong everywhere, which is no matter of conventions."""

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * Relu.backward(ctx, grad_out)


class Divided(Function):
    """|x|, with a slope of x / |x|."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * x / x.abs()


class Largest(Function):
    """All that tie get the whole cotangent."""

    @staticmethod
    def forward(ctx, x):
        y = x.amax(-1)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return (x == y.unsqueeze(-1)) * grad_out.unsqueeze(-1)


class Refusing(Relu):
    @staticmethod
    def forward(ctx, x):
        if not x.any():
            raise ValueError("not all zeros")
        return Relu.forward(ctx, x)


def at_zero(slope, **options):
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    return Kink(Sample((x,), label="zero"), (torch.tensor([slope], dtype=torch.float64),), **options)


def kinks(function, *inputs, **options):
    return check(function, *inputs, only=["kinks"], **options)["kinks"]


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (Relu, torch.relu),
        (torch.nn.functional.silu, lambda x: x * torch.sigmoid(x)),
        (lambda x: x.amax(-1), lambda x: torch.amax(x, -1)),
        (lambda x: 1 / x, torch.reciprocal),
    ],
)
def test_the_references_convention_passes(function, reference):
    assert kinks(function, X, reference=reference).passed


@pytest.mark.parametrize(("function", "slope"), [(FromAbove, "1"), (Half, "0.5")])
def test_another_slope_at_zero_is_found(function, slope):
    result = kinks(function, X, reference=torch.relu)
    assert result.failed
    assert f"at 0 in input 0, the gradient of input 0 at [0, 0] is {slope}, the reference's 0." in result.wrong
    assert "A strict comparison" in result.mend
    assert "like_reference=False" in result.mend


def test_nan_at_a_kink_is_found():
    result = kinks(Divided, X, reference=torch.abs)
    assert result.failed
    assert "is nan, the reference's 0" in result.wrong


def test_a_tie_that_counts_twice_is_found():
    result = kinks(Largest, X, reference=lambda x: x.amax(-1))
    assert result.failed
    assert "is 1, the reference's 0.25" in result.wrong
    assert "tie" in result.mend


def test_a_convention_may_be_stated_in_the_place_of_the_references():
    stated = [at_zero(1.0, like_reference=False)]
    assert kinks(FromAbove, X, reference=torch.relu, kinks=stated).passed
    assert kinks(FromAbove, X, kinks=stated).passed
    result = kinks(Relu, X, kinks=stated)
    assert result.failed
    assert "at the kink of zero, the gradient of input 0 at [0] is 0, by the convention 1." in result.wrong


def test_a_stated_kink_must_be_the_references_unless_it_says_otherwise():
    result = kinks(FromAbove, X, reference=torch.relu, kinks=[at_zero(1.0)])
    assert result.failed
    assert "the reference's 0" in result.wrong


def test_numbers_at_a_kink_that_were_moved_are_compared_as_they_came():
    def bent(x):
        return torch.relu(x - 0.3)

    class Bent(FromAbove):
        @staticmethod
        def forward(ctx, x):
            return FromAbove.forward(ctx, x - 0.3)

    x = X.clone()
    x[1, 2] = 0.3
    assert kinks(Bent, X, reference=bent).passed
    result = kinks(Bent, x, reference=bent)
    assert result.failed
    assert "at the numbers as they came, the gradient of input 0 at [1, 2] is 1, the reference's 0" in result.wrong


def test_an_exception_at_a_kink_is_told():
    result = kinks(Refusing, X, reference=torch.relu)
    assert result.failed
    assert "at 0 in input 0, it raises ValueError" in result.wrong


def test_a_gradient_that_is_wrong_everywhere_is_not_blamed_on_a_kink():
    result = kinks(Doubled, X, reference=torch.relu)
    assert result.status == "does not apply"
    assert "away from kinks" in result.why


def test_without_kinks_and_reference_there_is_nothing_to_say():
    assert kinks(Relu, X).status == "does not apply"


def test_numbers_of_the_call_are_likely_kinks():
    class Clamp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, low, high):
            ctx.save_for_backward(x)
            ctx.bounds = low, high
            return x.clamp(low, high)

        @staticmethod
        def backward(ctx, grad_out):
            (x,), (low, high) = ctx.saved_tensors, ctx.bounds
            return grad_out * (x > low) * (x < high), None, None

    class BoundsIncluded(Clamp):
        @staticmethod
        def backward(ctx, grad_out):
            (x,), (low, high) = ctx.saved_tensors, ctx.bounds
            return grad_out * (x >= low) * (x <= high), None, None

    hardtanh = torch.nn.functional.hardtanh
    assert kinks(Clamp, X, -0.25, 0.75, reference=hardtanh).passed
    result = kinks(BoundsIncluded, X, -0.25, 0.75, reference=hardtanh)
    assert result.failed
    assert "at -0.25 in input 0, the gradient of input 0 at" in result.wrong

"""Rules that work for gradients which nobody asked for, or that fail when one is asked for alone."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import Sample, check

torch.manual_seed(0)
X, W, B = (torch.randn(*shape, dtype=torch.float64) for shape in ((5, 3), (4, 3), (4,)))


class Linear(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x, weight, bias, mark=None):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        grad_x = grad_out @ weight if ctx.needs_input_grad[0] else None
        grad_weight = grad_out.t() @ x if ctx.needs_input_grad[1] else None
        grad_bias = grad_out.sum(0) if ctx.needs_input_grad[2] else None
        return grad_x, grad_weight, grad_bias, None


class All(Linear):
    """needs_input_grad ignored."""

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        return grad_out @ weight, grad_out.t() @ x, grad_out.sum(0), None


class DroppedLate(Linear):
    """Everything is computed, and then dropped."""

    @staticmethod
    def backward(ctx, grad_out):
        grads = All.backward(ctx, grad_out)
        return tuple(g if need else None for g, need in zip(grads, ctx.needs_input_grad, strict=False))


class WrongPlace(Linear):
    """Asks for the weight where it means the input."""

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        grad_x = grad_out @ weight if ctx.needs_input_grad[1] else None
        return grad_x, grad_out.t() @ x if ctx.needs_input_grad[1] else None, grad_out.sum(0), None


class Dependent(Linear):
    """The bias's gradient is read off a product that is there only if the weight's is wanted."""

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        if ctx.needs_input_grad[1]:
            g = grad_out.t()
        return grad_out @ weight if ctx.needs_input_grad[0] else None, g @ x, g.sum(1), None


class SavedForOne(Linear):
    """Saves the weight only where the weight itself needs a gradient."""

    @staticmethod
    def forward(ctx, x, weight, bias, mark=None):
        ctx.save_for_backward(x, weight if weight.requires_grad else torch.zeros_like(weight))
        return x @ weight.t() + bias


class Zeros(Linear):
    """Zeros in the place of None."""

    @staticmethod
    def backward(ctx, grad_out):
        grads = Linear.backward(ctx, grad_out)
        x, weight = ctx.saved_tensors
        like = (x, weight, grad_out[0])
        return *(torch.zeros_like(t) if g is None else g for g, t in zip(grads, like, strict=False)), None


class Sum(Function):
    """Right: to hand on the cotangent costs nothing."""

    @staticmethod
    def forward(ctx, x, y):
        return x + y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out, grad_out.view_as(grad_out)


class Shared(Function):
    """Right: one product that both gradients use, in memory that is written to in place."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return (x - y).square()

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        slope = torch.empty_like(x)
        torch.sub(x, y, out=slope)
        slope.mul_(grad_out).mul_(2)
        return slope if ctx.needs_input_grad[0] else None, -slope if ctx.needs_input_grad[1] else None


class ThroughNumpy(Function):
    """Right: where numbers leave for NumPy, no kernel shows what became of them."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        grad_x = torch.from_numpy((grad_out * y).numpy() * 1.0) if ctx.needs_input_grad[0] else None
        grad_y = torch.from_numpy((grad_out * x).numpy() * 1.0) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y


class Checked(Linear):
    """Right: looks at the numbers, which decide what happens."""

    @staticmethod
    def backward(ctx, grad_out):
        if not bool((grad_out == grad_out).all()):
            raise ValueError("NaN")
        return Linear.backward(ctx, grad_out)


def needs(function, *inputs, **options):
    return check(function, *inputs, only=["needs input grad"], **options)["needs input grad"]


@pytest.mark.parametrize("function", [Linear, Checked])
def test_right_functions_pass(function):
    assert needs(function, X, W, B).passed


@pytest.mark.parametrize("function", [Sum, Shared, ThroughNumpy])
def test_right_functions_of_two_alike_pass(function):
    assert needs(function, X, X + 1).passed


def test_what_has_one_argument_or_no_rule_is_left_out():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad_out):
            return 2 * grad_out * ctx.saved_tensors[0]

    assert needs(Square, X).status == "does not apply"
    assert needs(torch.mul, X, X).status == "does not apply"


def test_a_gradient_for_what_needs_none_is_found():
    result = needs(All, X, W, B)
    assert result.failed
    assert "the backward of All returns a gradient for its argument 1, which needs none" in result.wrong
    assert "if ctx.needs_input_grad[1]" in result.mend
    assert "input 0 alone" in result.wrong


def test_a_fixed_argument_of_the_sample_shows_it_as_well():
    sample = Sample((X.clone(), W.clone().requires_grad_(), B.clone()))
    result = needs(All, samples=[sample])
    assert result.failed
    assert "argument 0" in result.wrong


def test_zeros_are_no_none():
    result = needs(Zeros, X, W, B)
    assert result.failed
    assert "Return None" in result.mend


def test_work_that_is_dropped_is_found():
    result = needs(DroppedLate, X, W, B)
    assert result.failed
    assert "backward still runs aten::" in result.wrong
    assert "only the other gradients use" in result.wrong
    assert "if ctx.needs_input_grad[i]" in result.mend


@pytest.mark.parametrize("function", [WrongPlace, SavedForOne])
def test_a_gradient_that_is_wrong_alone_is_found(function):
    result = needs(function, X, W, B)
    assert result.failed
    assert "with a gradient for input 0 alone, it" in result.wrong
    assert "on its own" in result.mend


def test_a_backward_that_raises_alone_is_told():
    result = needs(Dependent, X, W, B)
    assert result.failed
    assert "with a gradient for input 0 alone, it raises UnboundLocalError" in result.wrong


def test_every_rule_of_a_chain_is_looked_at():
    def chain(x, w, b):
        return Linear.apply(All.apply(x, w, b), w.t()[:2].t().repeat(1, 2), b).sum()

    result = needs(chain, X, W, B)
    assert result.failed
    assert "All" in result.wrong


def test_a_wrong_factor_is_not_blamed_on_it():
    class Doubled(Linear):
        @staticmethod
        def backward(ctx, grad_out):
            return tuple(g if g is None else 2 * g for g in Linear.backward(ctx, grad_out))

    assert needs(Doubled, X, W, B).passed

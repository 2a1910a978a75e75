"""Rules that return too much, too little, or in another form than the input's."""

import numpy as np
import pytest
import torch
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)
Y = torch.linspace(0.5, 1.0, 12, dtype=torch.float64).reshape(3, 4)


class Scaled(Function):
    """Right, in the older style, with an argument that is no tensor and one that is no number."""

    @staticmethod
    def forward(ctx, x, scale, index=None):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * scale

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.scale, None, None


class Widening(Scaled):
    @staticmethod
    def backward(ctx, grad_out):
        factor = torch.full(grad_out.shape, ctx.scale, dtype=torch.float64)
        return grad_out * factor, None, None


class DefaultType(Scaled):
    """torch.ones makes float32, which float64 absorbs, and bfloat16 does not."""

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (torch.ones(grad_out.shape) * ctx.scale), None, None


class ThroughNumpy(Scaled):
    @staticmethod
    def backward(ctx, grad_out):
        slope = np.full(tuple(grad_out.shape), ctx.scale)
        return grad_out * torch.from_numpy(slope), None, None


class Flattened(Scaled):
    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.reshape(1, *grad_out.shape) * ctx.scale, None, None


class TooFew(Scaled):
    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.scale


class TooMany(Scaled):
    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.scale, None, None, grad_out


class Number(Function):
    @staticmethod
    def forward(ctx, x):
        return x.sum()

    @staticmethod
    def backward(ctx, grad_out):
        return float(grad_out)


class Mixed(Function):
    """Right: where types are mixed, the product has the wider, and the engine rounds it, as it does for torch.mul."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return grad_out * y, grad_out * x


class MixedBack(Mixed):
    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return (grad_out * y).to(x.dtype), (grad_out * x).to(y.dtype)


class CastForward(Function):
    """Wrong: forward takes two types, and backward multiplies matrices of two."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x.to(y.dtype) @ y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return (grad_out @ y.t()).to(x.dtype), x.t() @ grad_out


class Pair(Function):
    """Right: two outputs, one of them whole numbers, and gradients that may not come."""

    @staticmethod
    def forward(ctx, x, index):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        order = x.argsort(0)
        ctx.mark_non_differentiable(order)
        return x[index], x * 2, order

    @staticmethod
    def backward(ctx, grad_rows, grad_double, grad_order):
        (index,) = ctx.saved_tensors
        grad = 0
        if grad_rows is not None:
            grad = grad_rows.new_zeros(ctx.shape).index_add(0, index, grad_rows)
        if grad_double is not None:
            grad = grad + 2 * grad_double
        return grad, None


def form(function, *inputs, **options):
    return check(function, *inputs, only=["gradient form"], **options)["gradient form"]


def test_right_functions_pass():
    assert form(Scaled, X, 3.0).passed
    assert form(Scaled, X.float(), 3.0, torch.tensor([1])).passed
    assert form(Mixed, X, Y).passed
    assert form(MixedBack, X, Y).passed
    assert form(Pair, X, torch.tensor([2, 0])).passed
    assert form(lambda x, y: MixedBack.apply(Scaled.apply(x.exp(), 2.0), y).sum(), X, Y).passed


def test_a_composition_has_no_rule_to_look_at():
    result = form(torch.mul, X, Y)
    assert result.status == "does not apply"
    assert "no torch.autograd.Function" in result.why


@pytest.mark.parametrize(
    ("function", "precision"), [(Widening, "float32"), (DefaultType, "bfloat16"), (ThroughNumpy, "float32")]
)
def test_a_widened_gradient_is_found(function, precision):
    result = form(function, X, 3.0)
    assert result.failed
    assert f"in {precision}" in result.wrong
    assert function.__name__ in result.wrong
    assert "dtype" in result.wrong
    assert "dtype=x.dtype" in result.mend


def test_mixed_types_show_what_one_type_hides():
    result = form(CastForward, X, Y.t())
    assert result.failed
    assert "in float32 and the others in float64" in result.wrong
    assert ".to(x.dtype)" in result.mend


def test_another_shape_is_found():
    result = form(Flattened, X, 3.0)
    assert result.failed
    assert "shape (1, 3, 4) for argument 0" in result.wrong
    assert "sum_to_size" in result.mend


@pytest.mark.parametrize(("function", "number"), [(TooFew, 1), (TooMany, 4)])
def test_the_number_of_gradients_is_counted(function, number):
    result = form(function, X, 3.0, None)
    assert result.failed
    assert f"{number} gradient" in result.wrong
    assert "3 arguments" in result.wrong
    assert "None for what is no floating tensor" in result.mend


def test_a_number_is_no_gradient():
    result = form(Number, X)
    assert result.failed
    assert "returns a float for argument 0" in result.wrong


def test_an_exception_in_backward_is_told():
    class NotForFloat32(Scaled):
        @staticmethod
        def backward(ctx, grad_out):
            return (
                (grad_out.reshape(1, -1) @ torch.eye(grad_out.numel(), dtype=torch.float64)).reshape(3, 4),
                None,
                None,
            )

    result = form(NotForFloat32, X, 1.0)
    assert result.failed
    assert "in float32, backward raises RuntimeError" in result.wrong
    assert "dtype" in result.mend


def test_a_precision_that_the_forward_refuses_is_left_out():
    class OnlyFloat64(Scaled):
        @staticmethod
        def forward(ctx, x, scale, index=None):
            if x.dtype != torch.float64:
                raise TypeError("float64 alone")
            return Scaled.forward(ctx, x, scale)

    assert form(OnlyFloat64, X, 2.0).passed


def test_a_wrong_number_is_not_blamed_on_the_form():
    class Doubled(Scaled):
        @staticmethod
        def backward(ctx, grad_out):
            return 2 * grad_out * ctx.scale, None, None

    assert form(Doubled, X, 3.0).passed

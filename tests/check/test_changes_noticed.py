"""Inputs and results that backward reads from ctx, where autograd does not see that they have changed."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


class Exp(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.saved_tensors[0]


class InputOnCtx(Exp):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x.exp()

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.x.exp()


class ResultOnCtx(Exp):
    @staticmethod
    def forward(ctx, x):
        ctx.y = x.exp()
        return ctx.y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.y


class CopyOnCtx(Exp):
    """Right, if wasteful: nobody else can change the copy."""

    @staticmethod
    def forward(ctx, x):
        ctx.y = x.exp()
        return ctx.y.clone()

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.y


class ConstantOnCtx(Exp):
    """Right: what backward reads is no input."""

    @staticmethod
    def forward(ctx, x):
        ctx.slope = torch.full_like(x, 3.0)
        return 3 * x

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.slope


def noticed(function, *inputs, **options):
    return check(function, *inputs, only=["changes noticed"], **options)["changes noticed"]


@pytest.mark.parametrize("function", [Exp, CopyOnCtx, ConstantOnCtx, torch.exp, torch.sum])
def test_changes_that_are_noticed_or_do_not_matter_pass(function):
    assert noticed(function, X).passed


@pytest.mark.parametrize(("function", "what"), [(InputOnCtx, "input 0"), (ResultOnCtx, "the result")])
def test_a_change_that_backward_takes_unseen_is_found(function, what):
    result = noticed(function, X)
    assert result.failed
    assert f"with {what} changed in place before backward, the gradient of input 0" in result.wrong
    assert "without an error" in result.wrong
    assert "ctx.save_for_backward" in result.mend

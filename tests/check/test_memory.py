"""Functions that keep too much, or for too long."""

import gc

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)
CONSTANT = torch.ones(3, 4, dtype=torch.float64)


class Sigmoid(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x):
        y = torch.sigmoid(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return grad_out * y * (1 - y)


class SavesInput(Sigmoid):
    """As much as with the result: x alone."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_out):
        y = torch.sigmoid(ctx.saved_tensors[0])
        return grad_out * y * (1 - y)


class SavesBoth(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        y = torch.sigmoid(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        _, y = ctx.saved_tensors
        return grad_out * y * (1 - y)


class SavesSlope(Sigmoid):
    """An intermediate, beside what the caller has anyway."""

    @staticmethod
    def forward(ctx, x):
        y = torch.sigmoid(x)
        ctx.save_for_backward(y * (1 - y))
        return y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.saved_tensors[0]


class HidesSlope(SavesSlope):
    @staticmethod
    def forward(ctx, x):
        y = torch.sigmoid(x)
        ctx.parts = {"slope": [y * (1 - y)]}
        return y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.parts["slope"][0]


class ResultOnCtx(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        ctx.y = torch.sigmoid(x)
        return ctx.y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.y * (1 - ctx.y)


class ResultInSetup(ResultOnCtx):
    @staticmethod
    def forward(x):
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.kept = {"y": output}

    @staticmethod
    def backward(ctx, grad_out):
        y = ctx.kept["y"]
        return grad_out * y * (1 - y)


class ClosureOverCtx(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        y = torch.sigmoid(x)
        ctx.save_for_backward(y)
        ctx.slope = lambda: ctx.saved_tensors[0] * (1 - ctx.saved_tensors[0])
        return y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.slope()


class KeptByBackward(Sigmoid):
    """The cycle closes when backward has run."""

    @staticmethod
    def backward(ctx, grad_out):
        (ctx.y,) = ctx.saved_tensors
        return grad_out * ctx.y * (1 - ctx.y)


class InputOnCtx(Sigmoid):
    """No cycle: an input does not lead back to the node."""

    @staticmethod
    def forward(ctx, x):
        ctx.x, ctx.constant = x, CONSTANT
        return torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_out):
        y = torch.sigmoid(ctx.x)
        return ctx.constant * grad_out * y * (1 - y)


def memory(function, *inputs, **options):
    return check(function, *inputs, only=["memory"], **options)["memory"]


def cycle(function, *inputs, **options):
    return check(function, *inputs, only=["no cycle"], **options)["no cycle"]


@pytest.mark.parametrize("function", [Sigmoid, SavesInput, torch.sigmoid])
def test_as_much_as_the_reference_passes(function):
    result = memory(function, X, reference=torch.sigmoid)
    assert result.passed
    assert result.why.count("48 bytes") == 3  # twelve numbers of float32: kept by both, and the input's size


@pytest.mark.parametrize("function", [SavesBoth, SavesSlope, HidesSlope])
def test_more_than_the_reference_is_found(function):
    result = memory(function, X, reference=torch.sigmoid)
    assert result.failed
    assert f"it keeps {96 if function is SavesBoth else 48} bytes" in result.wrong
    assert "the reference 48 bytes (0 beside inputs and results)" in result.wrong
    assert "ctx.needs_input_grad" in result.mend


def test_less_than_the_reference_passes():
    assert memory(Sigmoid, X, reference=lambda x: 1 / (1 + torch.exp(-x))).passed


def test_inputs_cost_less_than_a_difference_of_its_own():
    """The reference saves one tensor in the place of two, but one that nobody holds."""

    class Squared(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return (x - y).square()

        @staticmethod
        def backward(ctx, grad_out):
            x, y = ctx.saved_tensors
            return 2 * (x - y) * grad_out, 2 * (y - x) * grad_out

    assert memory(Squared, X, X + 1, reference=lambda x, y: (x - y).square()).passed


def test_without_a_reference_the_bytes_are_told():
    result = memory(SavesBoth, X)
    assert result.status == "does not apply"
    assert "96 bytes" in result.why


@pytest.mark.parametrize("function", [Sigmoid, SavesBoth, SavesSlope, InputOnCtx, torch.sigmoid])
def test_what_is_freed_passes(function):
    assert cycle(function, X).passed
    assert gc.isenabled()


@pytest.mark.parametrize("function", [ResultOnCtx, ResultInSetup, KeptByBackward])
def test_a_result_that_ctx_holds_is_found(function):
    result = cycle(function, X)
    assert result.failed
    assert "a reference cycle keeps" in result.wrong
    assert "save_for_backward" in result.mend
    name = {ResultOnCtx: "y", ResultInSetup: "kept", KeptByBackward: "y"}[function]
    assert f"{function.__name__} holds its result as ctx.{name}" in result.wrong
    assert ("backward has run" in result.wrong) == (function is KeptByBackward)
    assert gc.isenabled()


def test_a_closure_over_ctx_is_found():
    result = cycle(ClosureOverCtx, X)
    assert result.failed
    assert "closure" in result.mend


def test_a_broken_backward_is_not_blamed_on_a_cycle():
    class Raising(Sigmoid):
        @staticmethod
        def backward(ctx, grad_out):
            raise ValueError("no")

    result = cycle(Raising, X)
    assert "cycle" not in result.wrong

"""Functions that claim to be written by hand, and ask PyTorch for the gradient in each way in which that is done."""

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch.autograd import Function, grad

from manualnet.check import check


class Tanh(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        _, y = ctx.saved_tensors
        return grad_out * (1 - y * y)


class Kernel(Tanh):
    @staticmethod
    def backward(ctx, grad_out):
        _, y = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad_out, y)


class Grad(Tanh):
    @staticmethod
    def backward(ctx, grad_out):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = torch.tanh(x)
        return grad(y, x, grad_out)[0]


class Backward(Tanh):
    @staticmethod
    def backward(ctx, grad_out):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            torch.tanh(x).backward(grad_out)
        return x.grad


class Vjp(Tanh):
    @staticmethod
    def backward(ctx, grad_out):
        return torch.func.vjp(torch.tanh, ctx.saved_tensors[0])[1](grad_out)[0]


class Jvp(Tanh):
    """The Jacobian is diagonal, so forward mode would do."""

    @staticmethod
    def backward(ctx, grad_out):
        return torch.func.jvp(torch.tanh, (ctx.saved_tensors[0],), (grad_out,))[1]


class Dual(Tanh):
    @staticmethod
    def backward(ctx, grad_out):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(ctx.saved_tensors[0], grad_out)
            return forward_ad.unpack_dual(torch.tanh(dual)).tangent


class Functional(Tanh):
    @staticmethod
    def backward(ctx, grad_out):
        return torch.autograd.functional.vjp(torch.tanh, ctx.saved_tensors[0], grad_out)[1]


class SlopeInForward(Function):
    @staticmethod
    def forward(ctx, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = torch.tanh(x)
            (slope,) = grad(y.sum(), x)
        ctx.save_for_backward(slope)
        return y.detach()

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.saved_tensors[0]


class Conv(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return torch.conv2d(x, weight)

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        nn_grad = torch.nn.grad
        return nn_grad.conv2d_input(x.shape, weight, grad_out), nn_grad.conv2d_weight(x, weight.shape, grad_out)


class Mapped(Tanh):
    @staticmethod
    def backward(ctx, grad_out):
        return torch.func.vmap(lambda g, y: g * (1 - y * y))(grad_out, ctx.saved_tensors[1])


class Several(Function):
    """Two results, one of them whole numbers, and an argument that is no tensor."""

    @staticmethod
    def forward(ctx, x, dim):
        largest, place = x.max(dim)
        ctx.mark_non_differentiable(place)
        ctx.save_for_backward(place)
        ctx.dim, ctx.shape = dim, x.shape
        return largest, place

    @staticmethod
    def backward(ctx, grad_out, _):
        (place,) = ctx.saved_tensors
        zeros = grad_out.new_zeros(ctx.shape)
        return zeros.scatter(ctx.dim, place.unsqueeze(ctx.dim), grad_out.unsqueeze(ctx.dim)), None


def result(function, *inputs, **options):
    inputs = inputs or (torch.randn(3, 4, dtype=torch.float64),)
    return check(function, *inputs, hand_written=True, only=["hand written"], **options)["hand written"]


@pytest.mark.parametrize("function", [Grad, Backward, Vjp, Jvp, Dual, Functional])
def test_autograd_inside_backward(function):
    found = result(function)
    assert found.failed
    assert f"backward of {function.__name__} asks autograd for a derivative" in found.wrong
    assert "write it out" in found.mend


def test_autograd_inside_forward():
    found = result(SlopeInForward)
    assert found.failed
    assert found.wrong == "forward asks autograd for a derivative."


@pytest.mark.parametrize(
    ("function", "shapes", "kernel"),
    [(Kernel, [(3, 4)], "aten::tanh_backward"), (Conv, [(1, 1, 4, 4), (1, 1, 2, 2)], "aten::convolution_backward")],
)
def test_kernel_of_pytorchs_backward(function, shapes, kernel):
    found = result(function, *(torch.randn(s) for s in shapes))
    assert found.failed
    assert f"backward of {function.__name__} runs {kernel}" in found.wrong
    assert "formula" in found.mend


@pytest.mark.parametrize(
    ("function", "node"),
    [
        (torch.tanh, "TanhBackward0"),
        (lambda x: 2 * Tanh.apply(x), "MulBackward0"),
        (lambda x: Tanh.apply(x).sum(), "SumBackward0"),
        (lambda x: torch.utils.checkpoint.checkpoint(Tanh.apply, x, use_reentrant=True), "CheckpointFunctionBackward"),
    ],
)
def test_node_whose_gradient_is_pytorchs(function, node):
    found = result(function)
    assert found.failed
    assert node in found.wrong
    assert "torch.autograd.Function of your own" in found.mend


@pytest.mark.parametrize("function", [Tanh, Mapped, lambda x: Tanh.apply(x.t()).unsqueeze(0)])
def test_written_by_hand(function):
    assert result(function).passed


def test_several_results():
    assert result(Several, torch.randn(3, 4), 1).passed


def test_a_function_that_does_not_claim_it():
    found = check(Grad, torch.randn(3), only=["hand written"])["hand written"]
    assert found.status == "does not apply"


def test_a_backward_that_raises_is_another_propertys_matter():
    class Raises(Tanh):
        @staticmethod
        def backward(ctx, grad_out):
            raise ValueError("no gradient")

    assert result(Raises).status == "does not apply"


def test_the_engine_is_put_back():
    engine = torch.autograd.Variable._execution_engine
    result(Grad)
    assert torch.autograd.Variable._execution_engine is engine

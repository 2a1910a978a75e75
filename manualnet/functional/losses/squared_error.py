"""Half the sum of squared errors."""

from torch import Tensor

from manualnet.functional._dtypes import autocast
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused, summed
from manualnet.functional.losses._pairs import common_type, difference
from manualnet.native.elementwise import TWO


@summed("(x - t) * (x - t)", least=TWO)
def _squares(x: Tensor, t: Tensor) -> Tensor:
    return difference(x, t).square().sum()


@fused("(x - t) * g", least=TWO)
def _slope(x: Tensor, t: Tensor, g: Tensor) -> Tensor:
    return difference(x, t) * g


class SquaredError(Function):
    """E = ½ Σ_i (x_i - t_i)².

    The ½ takes the 2 of the square: ∂E/∂x_i = x_i - t_i and ∂E/∂t_i = -(x_i - t_i), times ∂L/∂E. This is the δ_k of
    an output unit without activation. Saved: the inputs.
    """

    @staticmethod
    def forward(x, target):
        return (_squares(x, target) / 2).to(common_type(x, target))

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx, grad_out):
        x, target = ctx.saved_tensors
        grad = _slope(x, target, grad_out)
        grad_x = grad.to(x.dtype) if ctx.needs_input_grad[0] else None
        grad_target = -grad.to(target.dtype) if ctx.needs_input_grad[1] else None
        return grad_x, grad_target

    @staticmethod
    def jvp(ctx, x_tangent, target_tangent):
        x, target = ctx.saved_tensors
        change = difference(x, target) * difference(x_tangent, target_tangent)
        return change.sum().to(common_type(x, target))


def squared_error(input: Tensor, target: Tensor) -> Tensor:
    """E = ½ Σ (x - t)², with dE/dx = x - t: not a mean, and half of the summed ``mse_loss``.

    Args:
        input: any shape.
        target: the shape of ``input``; may require a gradient.

    Returns:
        A number.

    Raises:
        ValueError: the shapes differ.
        NotImplementedError: an argument is complex, or both are of integers.

    Source: S48, S56.

    >>> import torch
    >>> y = torch.tensor([1.0, 4.0], requires_grad=True)
    >>> error = squared_error(y, torch.tensor([0.0, 1.0]))
    >>> error.backward()
    >>> error, y.grad
    (tensor(5., grad_fn=<SquaredErrorBackward>), tensor([1., 3.]))
    """
    refuse_complex("squared_error", input, target)
    if input.shape != target.shape:
        raise ValueError(f"target must have the shape of input, {tuple(input.shape)}, but got {tuple(target.shape)}")
    if not (input.is_floating_point() or target.is_floating_point()):
        raise NotImplementedError(f"squared_error needs floating point, but got {input.dtype} and {target.dtype}")
    return SquaredError.apply(*autocast("squared_error", input, target))

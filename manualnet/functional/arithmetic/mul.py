"""Multiplication with broadcasting."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save_factors
from manualnet.functional.arithmetic._operands import Number, like, tangent, times


class Mul(Function):
    """z = x y, elementwise, x and y broadcast to the shape of z.

    dz/dx = y and dz/dy = x: each operand is the other's slope. What broadcasting copied receives a sum:

        ∂L/∂x = Σ g y        ∂L/∂y = Σ g x        (g = ∂L/∂z, sums over the axes that were stretched)

    Saved: each tensor whose product is wanted, so x only where y has a gradient. There is no kink.
    """

    @staticmethod
    def forward(x, y):
        return torch.mul(x, y)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y = inputs
        ctx.x, ctx.y, ctx.out = like(x), like(y), output.shape
        ctx.numbers = None if ctx.x else x, None if ctx.y else y
        save_factors(ctx, x if ctx.x else None, y if ctx.y else None)

    @staticmethod
    def backward(ctx, grad_out):
        x, y = _factors(ctx)
        grad_x = times(grad_out, y, ctx.x) if ctx.needs_input_grad[0] else None
        grad_y = times(grad_out, x, ctx.y) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y

    @staticmethod
    def jvp(ctx, x_dot, y_dot):
        x, y = _factors(ctx)
        return tangent(ctx.out, None if x_dot is None else x_dot * y, None if y_dot is None else x * y_dot)


def _factors(ctx) -> tuple:
    x, y = ctx.saved_tensors
    return ctx.numbers[0] if x is None else x, ctx.numbers[1] if y is None else y


def mul(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input · other; the gradient of each is the cotangent times the other.

    Args:
        input, other: tensors of shapes that broadcast, or numbers; types are promoted as in PyTorch.

    Returns:
        A tensor of the common shape and type.

    Raises:
        RuntimeError: the shapes do not broadcast.
        TypeError: an operand is neither tensor nor number.
        NotImplementedError: an operand is complex.

    Source: S59. Signature and behaviour: ``torch.mul``, without ``out``.

    >>> import torch
    >>> from manualnet import functional as F
    >>> x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> f = mul(F.add(x, y), z)
    >>> f.backward()
    >>> f.item(), x.grad, y.grad, z.grad
    (-12.0, tensor(-4.), tensor(-4.), tensor(3.))
    """
    refuse_complex("mul", input, other)
    return Mul.apply(input, other)

"""Multiplication with broadcasting."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save, wanted
from manualnet.functional.arithmetic._operands import Like, Number, times


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
        ctx.operands = [Like.of(a) for a in inputs]
        ctx.out = Like.of(output)
        ctx.numbers = [None if isinstance(a, Tensor) else a for a in inputs]
        kept = [isinstance(a, Tensor) and wanted(ctx, other) for a, other in zip(inputs, (1, 0), strict=True)]
        save(ctx, *(a if keep else None for a, keep in zip(inputs, kept, strict=True)))

    @staticmethod
    def backward(ctx, grad_out):
        x, y = _factors(ctx)
        grad_x = times(grad_out, y, ctx.operands[0]) if ctx.needs_input_grad[0] else None
        grad_y = times(grad_out, x, ctx.operands[1]) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y

    @staticmethod
    def jvp(ctx, x_dot, y_dot):
        x, y = _factors(ctx)
        return ctx.out.tangent(None if x_dot is None else x_dot * y, None if y_dot is None else x * y_dot)


def _factors(ctx) -> list:
    return [t if t is not None else number for t, number in zip(ctx.saved_tensors, ctx.numbers, strict=True)]


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

"""Subtraction with broadcasting."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional.arithmetic._operands import Number, gradient, like, tangent, times


class Sub(Function):
    """z = x - α y, elementwise, x and y broadcast to the shape of z.

    dz/dx = 1 and dz/dy = -α, and what broadcasting copied receives a sum:

        ∂L/∂x = Σ g        ∂L/∂y = -α Σ g        (g = ∂L/∂z, sums over the axes that were stretched)

    Saved: nothing. There is no kink.
    """

    @staticmethod
    def forward(x, y, alpha):
        return torch.sub(x, y, alpha=alpha)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, ctx.alpha = inputs
        ctx.x, ctx.y, ctx.out = like(x), like(y), output.shape

    @staticmethod
    def backward(ctx, grad_out):
        grad_x = gradient(grad_out, ctx.x) if ctx.needs_input_grad[0] else None
        grad_y = times(grad_out, -ctx.alpha, ctx.y) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y, None

    @staticmethod
    def jvp(ctx, x_dot, y_dot, _):
        return tangent(ctx.out, x_dot, None if y_dot is None else y_dot * -ctx.alpha)


def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input - alpha · other; the gradient is handed on to ``input``, and times -alpha to ``other``.

    Args:
        input, other: tensors of shapes that broadcast, or numbers; types are promoted as in PyTorch.
        alpha: a number.

    Returns:
        A tensor of the common shape and type.

    Raises:
        RuntimeError: the shapes do not broadcast, or ``alpha`` is fractional for integers.
        TypeError: an operand is neither tensor nor number.
        NotImplementedError: an operand is complex or bool.

    Source: S48. Signature and behaviour: ``torch.sub``, without ``out``.

    >>> import torch
    >>> y, target = torch.tensor([2.0, 3.0], requires_grad=True), torch.tensor(1.0, requires_grad=True)
    >>> sub(y, target).sum().backward()
    >>> y.grad, target.grad
    (tensor([1., 1.]), tensor(-2.))
    """
    refuse_complex("sub", input, other)
    return Sub.apply(input, other, alpha)

"""Addition with broadcasting."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional.arithmetic._operands import Number, gradient, like, tangent, times


class Add(Function):
    """z = x + α y, elementwise, x and y broadcast to the shape of z.

    dz/dx = 1 and dz/dy = α: an addition hands the cotangent on to both. An element that broadcasting copied to
    several places receives the sum of theirs:

        ∂L/∂x = Σ g        ∂L/∂y = α Σ g        (g = ∂L/∂z, sums over the axes that were stretched)

    Saved: nothing. There is no kink.
    """

    @staticmethod
    def forward(x, y, alpha):
        return torch.add(x, y, alpha=alpha)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, ctx.alpha = inputs
        ctx.x, ctx.y, ctx.out = like(x), like(y), output.shape

    @staticmethod
    def backward(ctx, grad_out):
        grad_x = gradient(grad_out, ctx.x) if ctx.needs_input_grad[0] else None
        grad_y = times(grad_out, ctx.alpha, ctx.y) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y, None

    @staticmethod
    def jvp(ctx, x_dot, y_dot, _):
        return tangent(ctx.out, x_dot, None if y_dot is None else y_dot * ctx.alpha)


def add(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input + alpha · other; the gradient is handed on to both, times alpha to ``other``.

    Args:
        input, other: tensors of shapes that broadcast, or numbers; types are promoted as in PyTorch.
        alpha: a number.

    Returns:
        A tensor of the common shape and type.

    Raises:
        RuntimeError: the shapes do not broadcast, or ``alpha`` is fractional for integers.
        TypeError: an operand is neither tensor nor number.
        NotImplementedError: an operand is complex.

    Source: S59. Signature and behaviour: ``torch.add``, without ``out``.

    >>> import torch
    >>> x, b = torch.zeros(2, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    >>> add(x, b, alpha=2).sum().backward()
    >>> x.grad, b.grad
    (tensor([[1., 1., 1.],
             [1., 1., 1.]]), tensor([4., 4., 4.]))
    """
    refuse_complex("add", input, other)
    return Add.apply(input, other, alpha)

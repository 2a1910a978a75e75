"""Sigmoid: σ(x) = 1 / (1 + e^-x)."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused


@fused("g * y * (1 - y)")
def _times_slope(g: Tensor, y: Tensor) -> Tensor:
    wide_g, y = widen(g, y)
    return (wide_g * y * (1 - y)).to(g.dtype)


class Sigmoid(Function):
    """y = σ(x) = 1 / (1 + e^-x), elementwise.

    With u = e^-x, dy/dx = u / (1 + u)² = 1/(1 + u) · u/(1 + u) = y (1 - y), so

        ∂L/∂x = ∂L/∂y · y (1 - y)

    Saved: y alone. There is no kink; for |x| large y is 0 or 1 and the gradient is 0.
    """

    @staticmethod
    def forward(x):
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, output)

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return _times_slope(grad_out, y)

    # The Jacobian is diagonal: a tangent is multiplied by the same slope as a cotangent.
    jvp = backward


def sigmoid(input: Tensor) -> Tensor:
    """Squash every element into (0, 1): y = 1 / (1 + e^-x), with dy/dx = y (1 - y).

    Args:
        input: any shape; integers give the default floating type, as in PyTorch.

    Returns:
        A tensor of the shape of ``input``.

    Raises:
        NotImplementedError: ``input`` is complex.

    Source: S4. Signature and behaviour: ``torch.nn.functional.sigmoid``.

    >>> import torch
    >>> x = torch.tensor([0.0, 2.0], requires_grad=True)
    >>> y = sigmoid(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([0.5000, 0.8808], grad_fn=<SigmoidBackward>), tensor([0.2500, 0.1050]))
    """
    refuse_complex("sigmoid", input)
    return Sigmoid.apply(input)

"""Tanh: (e^x - e^-x) / (e^x + e^-x)."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused


@fused("g * (1 - y) * (1 + y)")
def _times_slope(g: Tensor, y: Tensor) -> Tensor:
    wide_g, y = widen(g, y)
    # Near ±1 the two factors keep the digits that 1 - y² loses.
    return (wide_g * (1 - y) * (1 + y)).to(g.dtype)


class Tanh(Function):
    """y = sinh(x) / cosh(x) = (e^x - e^-x) / (e^x + e^-x), elementwise.

    With sinh' = cosh and cosh' = sinh, the quotient rule gives dy/dx = (cosh² - sinh²) / cosh² = 1 - y², so

        ∂L/∂x = ∂L/∂y · (1 - y²)

    Saved: y alone. There is no kink; for |x| large y is ±1 and the gradient is 0. The quotient as written overflows
    there (∞/∞), which is why the forward pass does not compute it so.
    """

    @staticmethod
    def forward(x):
        return torch.tanh(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, output)

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return _times_slope(grad_out, y)

    # The Jacobian is diagonal: a tangent is multiplied by the same slope as a cotangent.
    jvp = backward


def tanh(input: Tensor) -> Tensor:
    """Squash every element into (-1, 1): y = (e^x - e^-x) / (e^x + e^-x), with dy/dx = 1 - y².

    Args:
        input: any shape; integers give the default floating type, as in PyTorch.

    Returns:
        A tensor of the shape of ``input``.

    Raises:
        NotImplementedError: ``input`` is complex.

    Source: S7. Signature and behaviour: ``torch.tanh``.

    >>> import torch
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> y = tanh(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([0.0000, 0.7616], grad_fn=<TanhBackward>), tensor([1.0000, 0.4200]))
    """
    refuse_complex("tanh", input)
    return Tanh.apply(input)

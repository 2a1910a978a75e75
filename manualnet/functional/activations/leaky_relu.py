"""Leaky ReLU: x above 0, a·x below."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused


@fused("x > 0 ? g : a * g")
def _times_slope(g: Tensor, x: Tensor, a: float) -> Tensor:
    return torch.where(x > 0, g, a * g)


class LeakyReLU(Function):
    """y = x where x > 0, else a x, elementwise, with a fixed slope a.

        ∂L/∂x = ∂L/∂y where x > 0, else a · ∂L/∂y

    Saved: y alone, which the next layer mostly keeps anyway: for a ≥ 0, x > 0 exactly where y > 0. A negative slope
    folds both sides onto y > 0, and then x is saved. The kink at 0 has the slope a, and so has NaN, as in PyTorch.
    """

    @staticmethod
    def forward(x, slope):
        return torch.nn.functional.leaky_relu(x, slope)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.slope = inputs
        save(ctx, output if ctx.slope >= 0 else x)

    @staticmethod
    def backward(ctx, grad_out):
        (x_or_y,) = ctx.saved_tensors
        return _times_slope(grad_out, x_or_y, ctx.slope), None

    @staticmethod
    def jvp(ctx, grad_x, _):
        (x_or_y,) = ctx.saved_tensors
        return _times_slope(grad_x, x_or_y, ctx.slope)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Let a little of what is negative through: y = x for x > 0, else ax, with dy/dx = 1 and a.

    For a ≤ 1 this is max(ax, x). The slope at 0 is a.

    Args:
        input: any shape, floating.
        negative_slope: a, 0.01 by default; the lecture's is 0.1.
        inplace: write the result into ``input`` and return it; with a negative slope there is no gradient then.

    Returns:
        A tensor of the shape and type of ``input``.

    Raises:
        NotImplementedError: ``input`` is complex, integer or bool.
        RuntimeError: ``inplace`` on a leaf that requires a gradient; in the backward pass, ``inplace`` with a
            negative slope.

    Source: S9. Signature and behaviour: ``torch.nn.functional.leaky_relu``.

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> y = leaky_relu(x, 0.1)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([-0.1000,  0.0000,  2.0000], grad_fn=<LeakyReLUBackward>), tensor([0.1000, 0.1000, 1.0000]))
    """
    refuse_complex("leaky_relu", input)
    y = LeakyReLU.apply(input, negative_slope)
    return input.copy_(y) if inplace else y

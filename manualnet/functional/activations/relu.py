"""ReLU: max(0, x)."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused
from manualnet.native.elementwise import SOME


@fused("y == 0 ? 0 : g", least=SOME)
def _where_positive(g: Tensor, y: Tensor) -> Tensor:
    # y is never negative, so only a zero is not true.
    return g.masked_fill(y.logical_not(), 0)


class ReLU(Function):
    """y = x where x > 0, else 0, elementwise.

    The slope is 1 or 0, and x > 0 exactly where y > 0, so

        ∂L/∂x = ∂L/∂y where y > 0, else 0

    Saved: y alone, which the next layer mostly keeps anyway. The kink at 0 has slope 0. A NaN is not ≤ 0: it passes
    forward, and its gradient passes back, as in PyTorch.
    """

    @staticmethod
    def forward(x):
        return torch.relu(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, output)

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return _where_positive(grad_out, y)

    # The Jacobian is diagonal: a tangent is multiplied by the same slope as a cotangent.
    jvp = backward


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Cut off what is negative: y = max(0, x), with dy/dx = 1 for x > 0 and 0 elsewhere, 0 included.

    Args:
        input: any shape; integers stay integers.
        inplace: write the result into ``input`` and return it.

    Returns:
        A tensor of the shape and type of ``input``.

    Raises:
        NotImplementedError: ``input`` is complex or bool.
        RuntimeError: ``inplace`` on a leaf that requires a gradient.

    Source: S8. Signature and behaviour: ``torch.nn.functional.relu``.

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> y = relu(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([0., 0., 2.], grad_fn=<ReLUBackward>), tensor([0., 0., 1.]))
    """
    refuse_complex("relu", input)
    y = ReLU.apply(input)
    return input.copy_(y) if inplace else y

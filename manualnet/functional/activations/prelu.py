"""PReLU: leaky ReLU whose slope is learned."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional._shapes import sum_to
from manualnet.native import prelu as native


def _per_channel(weight: Tensor, x: Tensor) -> Tensor:
    """The slopes, one or one a channel, in a shape that broadcasts along axis 1 of x."""
    return weight.reshape(-1, *[1] * (x.dim() - 2)) if x.dim() else weight.reshape(())


class PReLU(Function):
    """y = x where x > 0, else a x, with a slope a for all, or one for every channel (axis 1).

    Where x ≤ 0, y = a x is a product, so dy/dx = a and dy/da = x; elsewhere dy/dx = 1 and a has no influence. A slope
    acts on many elements, so its gradients are summed over all of them:

        ∂L/∂x = ∂L/∂y where x > 0, else a · ∂L/∂y        ∂L/∂a = Σ over x ≤ 0 of x · ∂L/∂y

    Saved: x and a. (y would do instead of x only for a > 0.) The kink at 0 has the slope a, and so has NaN.
    """

    @staticmethod
    def forward(x, weight):
        return torch.prelu(x, weight)

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        compiled = native.prelu_backward(grad_out, x, weight) if plain(grad_out, x, weight) else None
        if compiled is not None:
            return compiled
        slopes = _per_channel(weight, x)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.where(x > 0, grad_out, slopes * grad_out)
        if ctx.needs_input_grad[1]:
            wide_grad, wide_x = widen(grad_out, x)
            below = torch.where(x > 0, 0, wide_x * wide_grad)
            grad_weight = sum_to(below, slopes.shape).reshape(weight.shape).to(weight.dtype)
        return grad_x, grad_weight

    @staticmethod
    def jvp(ctx, grad_x, grad_weight):
        x, weight = ctx.saved_tensors
        wide_grad_x, wide_grad_weight = widen(grad_x, _per_channel(grad_weight, x))
        below = _per_channel(weight, x) * wide_grad_x + x * wide_grad_weight
        return torch.where(x > 0, wide_grad_x, below).to(x.dtype)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Leaky ReLU with learned slopes: y = x for x > 0, else ax.

    dy/dx = 1 for x > 0 and a elsewhere; dy/da = x for x ≤ 0 and 0 elsewhere. max(ax, x) says the same only for a ≤ 1.

    Args:
        input: any shape, floating; axis 1 holds the channels.
        weight: the slopes a: one (0-d or of shape (1,)), or one a channel (shape (channels,)). An ``input`` of fewer
            than two axes has one channel.

    Returns:
        A tensor of the shape and type of ``input``.

    Raises:
        RuntimeError: ``weight`` has more axes, another length or another type.
        NotImplementedError: a tensor is complex, integer or bool.

    Source: S10; He et al. 2015, arXiv:1502.01852. Signature and behaviour: ``torch.nn.functional.prelu``.

    >>> import torch
    >>> x = torch.tensor([[-1.0, 3.0], [-2.0, -4.0]])
    >>> a = torch.tensor([2.0, 0.5], requires_grad=True)
    >>> y = prelu(x, a)
    >>> y.sum().backward()
    >>> y, a.grad
    (tensor([[-2.,  3.], [-4., -2.]], grad_fn=<PReLUBackward>), tensor([-3., -4.]))
    """
    refuse_complex("prelu", input, weight)
    return PReLU.apply(*autocast("prelu", input, weight))

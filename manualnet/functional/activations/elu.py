"""ELU: x above 0, α(e^x - 1) below."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused


@fused("x <= 0 ? g * (alpha * exp_below(x)) : g", "exp.h")
def _times_slope(g: Tensor, x: Tensor, alpha: float) -> Tensor:
    wide_g, wide_x = widen(g, x)
    # Cut off at 0, or e^x overflows where it is not used, and 0 · ∞ enters the second derivative.
    below = alpha * wide_x.clamp(max=0).exp()
    return torch.where(wide_x <= 0, wide_g * below, wide_g).to(g.dtype)


class ELU(Function):
    """y = x where x > 0, else α (e^x - 1), elementwise.

        ∂L/∂x = ∂L/∂y where x > 0, else α e^x · ∂L/∂y

    Saved: x alone. The slope is also y + α, but where y is near -α that difference loses all its digits in half
    precision. The kink at 0 has the slope α; NaN has the slope 1, as in PyTorch's scalar kernel (its vectorised one
    gives NaN).
    """

    @staticmethod
    def forward(x, alpha):
        return torch.nn.functional.elu(x, alpha)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.alpha = inputs
        save(ctx, x)

    @staticmethod
    def backward(ctx, grad_out):
        return _times_slope(grad_out, *ctx.saved_tensors, ctx.alpha), None

    @staticmethod
    def jvp(ctx, grad_x, _):
        return _times_slope(grad_x, *ctx.saved_tensors, ctx.alpha)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Bend what is negative towards -α: y = x for x > 0, else α(e^x - 1), with dy/dx = 1 and αe^x.

    The slope at 0 is α.

    Args:
        input: any shape, floating.
        alpha: α, 1 by default.
        inplace: write the result into ``input`` and return it.

    Returns:
        A tensor of the shape and type of ``input``.

    Raises:
        NotImplementedError: ``input`` is complex, integer or bool.
        RuntimeError: ``inplace`` on a leaf that requires a gradient.

    Source: S12; Clevert et al. 2016, arXiv:1511.07289. Signature and behaviour: ``torch.nn.functional.elu``.

    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> y = elu(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([-0.6321,  2.0000], grad_fn=<ELUBackward>), tensor([0.3679, 1.0000]))
    """
    refuse_complex("elu", input)
    # The rule needs x as it came: what is overwritten must not be what is saved.
    y = ELU.apply(input.clone() if inplace else input, alpha)
    return input.copy_(y) if inplace else y

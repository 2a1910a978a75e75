"""Linear layer: y = x Wᵀ + b."""

import torch
from torch import Tensor

from manualnet.functional import _multiply as multiply
from manualnet.functional._dtypes import autocast, cast
from manualnet.functional._errors import need_real
from manualnet.functional._function import Function, save_factors
from manualnet.functional._plain import plain
from manualnet.functional._shapes import as_rows
from manualnet.functional.arithmetic._operands import gradient, like
from manualnet.native.linear_weight import linear_weight, worth


class Linear(Function):
    """Y = X Wᵀ + b with X (…, in), W (out, in), b (out), Y (…, out).

    y_nj = Σ_i w_ji x_ni + b_j, so with G = ∂L/∂Y

        ∂L/∂x_ni = Σ_j g_nj w_ji        ∂L/∂X = G W
        ∂L/∂w_ji = Σ_n g_nj x_ni        ∂L/∂W = Gᵀ X      over all leading axes
        ∂L/∂b_j  = Σ_n g_nj             ∂L/∂b = Σ G       over all leading axes

    Saved: X where W's gradient is wanted and W where X's is. A W of one axis (in) is one unit without its axis.
    Autocast rounds W to half precision in here, not before: where compiled code sums ∂L/∂W, it stays float32.
    """

    @staticmethod
    def forward(x, weight, bias):
        return multiply.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias = inputs
        ctx.unit, ctx.weight_type = weight.dim() == 1, weight.dtype
        ctx.bias = like(bias)
        save_factors(ctx, x, weight)

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        grad_x = grad_weight = grad_bias = None
        # One unit without its axis is given the axis for the products, and loses it again.
        g = grad_out.unsqueeze(-1) if ctx.unit else grad_out
        if ctx.needs_input_grad[0]:
            rounded = cast(weight, g.dtype)
            grad_x = multiply.matmul(g, rounded.unsqueeze(0) if ctx.unit else rounded)
        if ctx.needs_input_grad[1]:
            grad_weight = _product(as_rows(g), as_rows(x), ctx.weight_type)
            grad_weight = grad_weight.squeeze(0) if ctx.unit else grad_weight
        if ctx.needs_input_grad[2]:
            grad_bias = gradient(grad_out, ctx.bias)
        return grad_x, grad_weight, grad_bias

    @staticmethod
    def jvp(ctx, x_t, weight_t, bias_t):
        x, weight = ctx.saved_tensors
        y_t = multiply.linear(x_t, weight) + multiply.linear(x, weight_t)
        return y_t if bias_t is None else y_t + bias_t


def _product(g: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Gᵀ X in ``dtype``; where compiled code sums it not rounded before, also of bfloat16."""
    product = linear_weight(g, x) if worth(g, x, dtype) and plain(g, x) else None
    return cast(multiply.matmul(g.t(), x) if product is None else product, dtype)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Weighted sums of the inputs, one a unit: y = x Wᵀ + b.

    With G = ∂L/∂y: ∂L/∂x = G W, ∂L/∂W = Gᵀ X, ∂L/∂b = Σ G.

    Args:
        input: (…, in)
        weight: (out, in), or (in) for a single unit without an axis
        bias: (out), or None

    Returns:
        (…, out)

    Raises:
        RuntimeError: the last axes of ``input`` and ``weight`` differ.
        NotImplementedError: complex input.

    Source: S1, S2, S41, S50. Signature and behaviour: ``torch.nn.functional.linear``.

    >>> import torch
    >>> W = torch.tensor([[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]], requires_grad=True)
    >>> scores = linear(torch.tensor([56.0, 231.0, 24.0, 2.0]), W, torch.tensor([1.1, 3.2, -1.2]))
    >>> scores.detach()
    tensor([-96.8000, 437.9000,  60.7500])
    >>> scores[0].backward()
    >>> W.grad[0]
    tensor([ 56., 231.,  24.,   2.])
    """
    need_real("linear", input=input, weight=weight)
    if input.dim() and weight.dim() and input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: the last axis of input and weight must agree, but input is {tuple(input.shape)} "
            f"and weight {tuple(weight.shape)} (out, in)"
        )
    input, bias = autocast("linear", input, bias)
    return Linear.apply(input, weight, bias)

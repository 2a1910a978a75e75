"""Adaptive average pooling: means over windows chosen so that the result has a given size."""

import torch
import torch.nn.functional as torch_F
from torch import Tensor

from manualnet.functional._dtypes import uncast, widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional._plain import plain
from manualnet.functional.layers._windows import lies_in_planes, spread
from manualnet.native import windows as native


class AdaptiveAvgPool2d(Function):
    """Y = A X Bᵀ for every plane X (H, W), with A (H', H) and B (W', W) averaging along one axis each.

    Row i of A holds 1/n at the n rows ⌊i H/H'⌋ … ⌈(i+1) H/H'⌉ - 1 and 0 elsewhere, and B likewise. With
    y_ij = Σ_kl a_ik x_kl b_jl, the slope of y_ij along x_kl is a_ik b_jl, so

        ∂L/∂X = Aᵀ G B        (G = ∂L/∂Y)

    The rule is linear in x, so a direction is pooled like x. Saved: nothing. There is no kink.
    """

    @staticmethod
    def forward(x, output_size):
        return torch_F.adaptive_avg_pool2d(x, output_size)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.output_size = inputs
        ctx.size, ctx.planes = x.shape[-2:], lies_in_planes(x)

    @staticmethod
    def backward(ctx, grad_out):
        even = [
            n // n_out if n_out and n % n_out == 0 else 0
            for n, n_out in zip(ctx.size, grad_out.shape[-2:], strict=True)
        ]
        if all(even):
            # Windows that lie side by side, all of one size: each cotangent is shared out evenly.
            return spread(grad_out, tuple(even), even[0] * even[1], planes=ctx.planes), None
        if plain(grad_out):
            rows, columns = (native.shared_out(*axis) for axis in zip(grad_out.shape[-2:], ctx.size, strict=True))
            compiled = native.stamp(grad_out, ctx.size, rows, columns)
            if compiled is not None:
                return compiled, None
        (g,) = widen(grad_out)
        a, b = (_averaging(n_out, n, g) for n_out, n in zip(g.shape[-2:], ctx.size, strict=True))
        with uncast(grad_out):
            grad_x = a.t() @ (g @ b)
        return grad_x.to(grad_out.dtype), None

    @staticmethod
    def jvp(ctx, x_dot, _):
        return torch_F.adaptive_avg_pool2d(x_dot, ctx.output_size)


def _averaging(n_out: int, n: int, like: Tensor) -> Tensor:
    """The matrix (n_out, n) whose rows average the windows of an axis."""
    i = torch.arange(n_out, device=like.device).unsqueeze(1)
    k = torch.arange(n, device=like.device)
    inside = (k >= i * n // n_out) & (k < -(-(i + 1) * n // n_out))
    return inside.to(like.dtype) / inside.sum(1, keepdim=True)


def adaptive_avg_pool2d(input: Tensor, output_size: int | tuple[int | None, int | None] | None) -> Tensor:
    """Means over windows that cover the plane evenly; the gradient is Aᵀ G B, see the class above.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: one number or (H', W'); None in a place keeps that size of the input.

    Returns:
        (N, C, H', W') or (C, H', W').

    Raises:
        RuntimeError: the sizes do not fit, or integers are to be averaged to one number.
        TypeError: ``output_size`` is neither number nor tuple.
        NotImplementedError: ``input`` is complex, or integer.

    Source: S15. Signature and behaviour: ``torch.nn.functional.adaptive_avg_pool2d``.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 3.0, 5.0]]], requires_grad=True)
    >>> y = adaptive_avg_pool2d(x, (None, 2))
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([[[2., 4.]]]), tensor([[[0.5000, 1.0000, 0.5000]]]))
    """
    refuse_complex("adaptive_avg_pool2d", input)
    return AdaptiveAvgPool2d.apply(input, output_size)

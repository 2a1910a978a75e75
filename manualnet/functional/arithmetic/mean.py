"""Mean over axes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from manualnet.functional._dtypes import cast
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional.arithmetic._axes import spread


class Mean(Function):
    """y = Σ x / n over some axes with n elements together.

    Every term has the slope 1/n, so each receives its share of the cotangent:

        ∂L/∂x[i] = ∂L/∂y / n

    Saved: nothing. There is no kink; over no elements the mean is NaN, as in PyTorch.
    """

    @staticmethod
    def forward(x, dim, keepdim, dtype):
        return torch.mean(x, dim, keepdim, dtype=dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.dim, ctx.keepdim, ctx.summed_in = inputs
        ctx.shape, ctx.dtype = x.shape, x.dtype
        ctx.n = x.numel() // max(1, output.numel())

    @staticmethod
    def backward(ctx, grad_out):
        return spread(cast(grad_out / ctx.n, ctx.dtype), ctx.dim, ctx.shape), None, None, None

    @staticmethod
    def jvp(ctx, x_dot, *_):
        return torch.mean(x_dot, ctx.dim, ctx.keepdim, dtype=ctx.summed_in)


def mean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """The mean over the axes ``dim``; each of n elements receives 1/n of the cotangent.

    Args:
        input: floating, any shape.
        dim: an axis, several, or None for all.
        keepdim: keep the averaged axes with size 1.
        dtype: the type to compute in and to return; needed for integers.

    Returns:
        A tensor without the axes ``dim``.

    Raises:
        IndexError: there is no such axis.
        RuntimeError: an axis is given twice, or ``input`` is integer and no ``dtype`` came.
        NotImplementedError: ``input`` is complex.

    Source: S26. Signature and behaviour: ``torch.mean``, without ``out``.

    >>> import torch
    >>> losses = torch.tensor([2.9, 0.0, 12.9], requires_grad=True)
    >>> loss = mean(losses)
    >>> loss.backward()
    >>> loss.detach(), losses.grad
    (tensor(5.2667), tensor([0.3333, 0.3333, 0.3333]))
    """
    refuse_complex("mean", input)
    return Mean.apply(input, dim, keepdim, dtype)

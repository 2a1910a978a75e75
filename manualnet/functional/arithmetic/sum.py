"""Sum over axes. The name is PyTorch's, so Python's own ``sum`` is hidden in this file."""

from collections.abc import Sequence

import torch
from torch import Tensor

from manualnet.functional._dtypes import cast
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional.arithmetic._axes import spread


class Sum(Function):
    """y = Σ x over some axes.

    Every term has the slope 1, so each receives the whole cotangent of its sum: the adjoint of a sum is a copy,

        ∂L/∂x[i] = ∂L/∂y

    as the adjoint of a copy is a sum. Saved: nothing. There is no kink.
    """

    @staticmethod
    def forward(x, dim, keepdim, dtype):
        return torch.sum(x, dim, keepdim, dtype=dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.dim, ctx.keepdim, ctx.summed_in = inputs
        ctx.shape, ctx.dtype = x.shape, x.dtype

    @staticmethod
    def backward(ctx, grad_out):
        return spread(cast(grad_out, ctx.dtype), ctx.dim, ctx.shape), None, None, None

    @staticmethod
    def jvp(ctx, x_dot, *_):
        if not ctx.shape:
            return x_dot.sum(0, dtype=ctx.summed_in)  # gradcheck's batching cannot sum a scalar
        return torch.sum(x_dot, ctx.dim, ctx.keepdim, dtype=ctx.summed_in)


def sum(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """The sum over the axes ``dim``; each term's gradient is the cotangent of its sum.

    Args:
        input: any shape; integers are summed as int64.
        dim: an axis, several, or None for all.
        keepdim: keep the summed axes with size 1.
        dtype: the type to sum in and to return.

    Returns:
        A tensor without the axes ``dim``.

    Raises:
        IndexError: there is no such axis.
        RuntimeError: an axis is given twice.
        NotImplementedError: ``input`` is complex.

    Source: S1. Signature and behaviour: ``torch.sum``, without ``out``.

    >>> import torch
    >>> x = torch.ones(2, 3, requires_grad=True)
    >>> y = sum(x, dim=1)
    >>> y.backward(torch.tensor([1.0, 5.0]))
    >>> y.detach(), x.grad
    (tensor([3., 3.]), tensor([[1., 1., 1.],
                               [5., 5., 5.]]))
    """
    refuse_complex("sum", input)
    return Sum.apply(input, dim, keepdim, dtype)

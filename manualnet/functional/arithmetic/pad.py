"""Padding: rows and columns added at the borders."""

from collections.abc import Sequence

import torch
import torch.nn.functional as torch_F
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function


class Pad(Function):
    """y[j] = x[i(j)], or the constant where position j has no i(j), along each padded axis.

    A padding copies elements and computes nothing, so an element receives from every place it was copied to:

        ∂L/∂x[i] = Σ_{j: i(j) = i} ∂L/∂y[j]

    A constant copies each element once: its adjoint cuts the border off. With l places added on the left and n
    elements, t = j - l, the other modes have

        replicate   i(j) = t clamped to 0 … n-1
        circular    i(j) = t mod n (of the elements that are left, where a negative padding cuts)
        reflect     i(j) = |t| up to the last element, 2 (n-1) - t behind it

    whose adjoint adds the cotangents up by index, axis by axis. The rule is linear in x, but for the constant, whose
    direction is 0. Saved: nothing. There is no kink.
    """

    @staticmethod
    def forward(x, pad, mode, value):
        return torch_F.pad(x, pad, mode, value)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.pad, ctx.mode, _ = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx, grad_out):
        if ctx.mode == "constant":
            return torch_F.pad(grad_out, [-n for n in ctx.pad]), None, None, None
        (grad,) = widen(grad_out)
        for i, (left, right) in enumerate(zip(ctx.pad[::2], ctx.pad[1::2], strict=True)):
            axis = grad.dim() - 1 - i
            shape = [*grad.shape[:axis], ctx.shape[axis], *grad.shape[axis + 1 :]]
            t = torch.arange(grad.shape[axis], device=grad.device) - left
            grad = grad.new_zeros(shape).index_add(axis, _origin(t, ctx.shape[axis], left, right, ctx.mode), grad)
        return grad.to(grad_out.dtype), None, None, None

    @staticmethod
    def jvp(ctx, x_dot, *_):
        return torch_F.pad(x_dot, ctx.pad, ctx.mode)


def _origin(t: Tensor, n: int, left: int, right: int, mode: str) -> Tensor:
    """Where the elements at the places t, counted from the first of n, were copied from."""
    if mode == "replicate":
        return t.clamp(0, n - 1)
    if mode == "circular":
        cut = max(0, -left)
        return (t - cut) % (n - cut - max(0, -right)) + cut
    return (n - 1) - ((n - 1) - t.abs()).abs()


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements at the borders; what was copied there adds its cotangent to the element it came from.

    Args:
        input: any shape; all modes but ``"constant"`` pad the last one to three axes behind (N, C) or (C).
        pad: pairs (before, after), the last axis first; a negative number cuts off.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        value: the constant; 0 if None.

    Returns:
        ``input`` with each padded axis longer by its pair.

    Raises:
        RuntimeError: an odd number of numbers, or more than the axes; a ``value`` with another mode; more than the mode
            allows for the size.
        NotImplementedError: there is no such mode for the shape, or ``input`` is complex.

    Source: S15 (the border of a convolution). Signature and behaviour: ``torch.nn.functional.pad``.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 2.0, 3.0]]], requires_grad=True)
    >>> y = pad(x, (2, 1), mode="reflect")
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([[[3., 2., 1., 2., 3., 2.]]]), tensor([[[1., 3., 2.]]]))
    """
    refuse_complex("pad", input)
    return Pad.apply(input, pad, mode, value)

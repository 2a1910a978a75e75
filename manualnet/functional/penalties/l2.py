"""L2: Σ w²."""

from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused, summed
from manualnet.functional.penalties._tensors import check, total
from manualnet.native.elementwise import TWO


@summed("w * w", least=TWO)
def _squares(w: Tensor) -> Tensor:
    (w,) = widen(w)
    return (w * w).sum()


@fused("2 * w * g", least=TWO)
def _slope(w: Tensor, g: Tensor) -> Tensor:
    # The wide factor first, because a product with a half-precision tensor rounds a number beside it to its type.
    return (2 * widen(w)[0] * g).to(w.dtype)


class L2Penalty(Function):
    """R = Σ w², over all elements of all tensors.

        ∂L/∂w = ∂L/∂R · 2w

    There is no ½: λR pulls as a weight decay of 2λ does. Saved: the tensors. There is no kink.
    """

    @staticmethod
    def forward(*tensors):
        return total(map(_squares, tensors), tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx, grad_out):
        needed = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=True)
        return tuple(_slope(w, grad_out) if need else None for w, need in needed)

    @staticmethod
    def jvp(ctx, *grads):
        pairs = zip(ctx.saved_tensors, widen(*grads), strict=True)
        return total(((2 * grad * w).sum() for w, grad in pairs), ctx.saved_tensors)


def l2_penalty(*tensors: Tensor) -> Tensor:
    """The sum of the squares of all elements: R = Σw², with ∂R/∂w = 2w.

    Args:
        tensors: one or more, of any shapes, on one device.

    Returns:
        A 0-d tensor of the type to which the tensors promote; of integers, that of their sum.

    Raises:
        TypeError: no tensor came, or something else than a tensor.
        RuntimeError: the tensors are on several devices.
        NotImplementedError: a tensor is complex.

    Source: S29.

    >>> import torch
    >>> w = torch.tensor([3.0, 0.0, -2.0], requires_grad=True)
    >>> penalty = l2_penalty(w)
    >>> penalty.backward()
    >>> penalty, w.grad
    (tensor(13., grad_fn=<L2PenaltyBackward>), tensor([ 6.,  0., -4.]))
    """
    check("l2_penalty", tensors)
    return L2Penalty.apply(*tensors)

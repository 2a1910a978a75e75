"""L1: Σ|w|."""

from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused, summed
from manualnet.functional.penalties._tensors import check, total
from manualnet.native.elementwise import TWO


@summed("fabsf(w)", least=TWO)
def _distances(w: Tensor) -> Tensor:
    return widen(w)[0].abs().sum()


@fused("sign(w) * g", least=TWO)
def _slope(w: Tensor, g: Tensor) -> Tensor:
    return (w.sgn() * g).to(w.dtype)


class L1Penalty(Function):
    """R = Σ |w|, over all elements of all tensors.

        ∂L/∂w = ∂L/∂R · sign(w)

    Saved: the tensors. The kink at 0 has slope 0.
    """

    @staticmethod
    def forward(*tensors):
        return total(map(_distances, tensors), tensors)

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
        return total(((w.sgn() * grad).sum() for w, grad in pairs), ctx.saved_tensors)


def l1_penalty(*tensors: Tensor) -> Tensor:
    """The sum of the absolute values of all elements: R = Σ|w|, with ∂R/∂w = sign(w), 0 at 0.

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
    >>> penalty = l1_penalty(w)
    >>> penalty.backward()
    >>> penalty, w.grad
    (tensor(5., grad_fn=<L1PenaltyBackward>), tensor([ 1.,  0., -1.]))
    """
    check("l1_penalty", tensors)
    return L1Penalty.apply(*tensors)

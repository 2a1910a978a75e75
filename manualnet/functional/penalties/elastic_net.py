"""Elastic net: Σ(βw² + |w|)."""

from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused, summed
from manualnet.functional.penalties._tensors import check, total


@summed("beta * w * w + fabsf(w)")
def _terms(w: Tensor, beta: float) -> Tensor:
    (w,) = widen(w)
    return (beta * w * w + w.abs()).sum()


@fused("g * (2 * beta * w + sign(w))")
def _slope(w: Tensor, g: Tensor, beta: float) -> Tensor:
    (wide,) = widen(w)
    return (g * (2 * beta * wide + wide.sgn())).to(w.dtype)


class ElasticNet(Function):
    """R = Σ (β w² + |w|), over all elements of all tensors.

        ∂L/∂w = ∂L/∂R · (2βw + sign(w))

    Saved: the tensors. The kink at 0 has slope 0.
    """

    @staticmethod
    def forward(beta, *tensors):
        return total((_terms(w, beta) for w in tensors), tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.beta, *tensors = inputs
        save(ctx, *tensors)

    @staticmethod
    def backward(ctx, grad_out):
        needed = zip(ctx.saved_tensors, ctx.needs_input_grad[1:], strict=True)
        return None, *(_slope(w, grad_out, ctx.beta) if need else None for w, need in needed)

    @staticmethod
    def jvp(ctx, _, *grads):
        pairs = zip(widen(*ctx.saved_tensors), grads, strict=True)
        return total((((2 * ctx.beta * w + w.sgn()) * grad).sum() for w, grad in pairs), ctx.saved_tensors)


def elastic_net(*tensors: Tensor, beta: float) -> Tensor:
    """Squares and absolute values of all elements: R = Σ(βw² + |w|), with ∂R/∂w = 2βw + sign(w), 0 at 0.

    Args:
        tensors: one or more, of any shapes, on one device.
        beta: β, the weight of the squares, a number; by name.

    Returns:
        A 0-d tensor of the type to which the tensors promote; of integers, that of their sum.

    Raises:
        TypeError: no tensor came, or something else than a tensor; or ``beta`` is missing.
        RuntimeError: the tensors are on several devices.
        NotImplementedError: a tensor is complex.

    Source: S29; Zou and Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x.

    >>> import torch
    >>> w = torch.tensor([3.0, 0.0, -2.0], requires_grad=True)
    >>> penalty = elastic_net(w, beta=0.5)
    >>> penalty.backward()
    >>> penalty, w.grad
    (tensor(11.5000, grad_fn=<ElasticNetBackward>), tensor([ 4.,  0., -3.]))
    """
    check("elastic_net", tensors)
    return ElasticNet.apply(beta, *tensors)

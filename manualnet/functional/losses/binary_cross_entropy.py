"""Binary cross-entropy of a probability."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused
from manualnet.functional.losses._arguments import fits, refuse_gradient
from manualnet.functional.losses._reduce import reduced, resolve, share

# 1e-12 as PyTorch's kernel holds it, in float32.
_EPSILON = 9.999999960041972e-13


@fused("each * ((p - t) / (p * (1 - p) < 1e-12 ? 1e-12 : p * (1 - p)))")
def _times_slope(p: Tensor, t: Tensor, each: Tensor) -> Tensor:
    wide_p, wide_t, each = widen(p, t, each)
    return (each * BinaryCrossEntropy.slope_x(wide_p, wide_t)).to(p.dtype)


class BinaryCrossEntropy(Function):
    """L_i = -w_i (t_i log x_i + (1 - t_i) log(1 - x_i)), both logarithms clamped at -100.

        ∂L_i/∂x_i = w_i (x_i - t_i) / max(x_i (1 - x_i), 1e-12)
        ∂L_i/∂t_i = w_i (log(1 - x_i) - log x_i)

    times g_i, the cotangent of L_i (∂L/∂mean / N for the mean). At x = 0 and x = 1 these are PyTorch's conventions: the
    denominator is held above 0, and the slope in t is of the unclamped logarithms, infinite.
    Saved: inputs alone.
    """

    @staticmethod
    def forward(x, target, weight, reduction):
        p, t = widen(x, target)
        if weight is None:
            return torch.nn.functional.binary_cross_entropy(p, t, reduction=reduction).to(x.dtype)
        loss = torch.nn.functional.binary_cross_entropy(p, t, reduction="none")
        return reduced(loss * weight, reduction).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, target, weight, ctx.reduction = inputs
        save(ctx, x, target, weight)
        # An infinite slope times a tangent of zeros would be NaN: an input that does not move brings no tangent.
        ctx.set_materialize_grads(False)

    @staticmethod
    def slope_x(p, t):
        return (p - t) / (p * (1 - p)).clamp_min(_EPSILON)

    @staticmethod
    def slope_target(p):
        return torch.log1p(-p) - torch.log(p)

    @staticmethod
    def backward(ctx, grad_out):
        if grad_out is None:
            return None, None, None, None
        x, target, weight = ctx.saved_tensors
        each = share(grad_out, ctx.reduction, x.numel())
        if weight is not None:
            (each,) = widen(each)
            each = each * weight.to(each.dtype)
        grad_x = grad_target = None
        if ctx.needs_input_grad[0]:
            grad_x = _times_slope(x, target, each)
        if ctx.needs_input_grad[1]:
            p, each = widen(x, each)
            grad_target = (each * BinaryCrossEntropy.slope_target(p)).to(target.dtype)
        return grad_x, grad_target, None, None

    @staticmethod
    def jvp(ctx, x_tangent, target_tangent, *_):
        x, target, weight = ctx.saved_tensors
        p, t = widen(x, target)
        change = torch.zeros_like(p) if x_tangent is None else BinaryCrossEntropy.slope_x(p, t) * x_tangent
        if target_tangent is not None:
            change = change + BinaryCrossEntropy.slope_target(p) * target_tangent
        if weight is not None:
            change = change * weight
        return reduced(change, ctx.reduction).to(x.dtype)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = -(t log x + (1 - t) log(1 - x)) of a probability x, with dL/dx = (x - t) / (x (1 - x)).

    Args:
        input: probabilities in [0, 1], any shape. From scores, ``binary_cross_entropy_with_logits`` is more exact.
        target: in [0, 1], of the shape and type of ``input``; may require a gradient.
        weight: broadcasts to the shape of ``input``; a constant.
        size_average, reduce: PyTorch's older form of ``reduction``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A number, or for ``"none"`` a tensor of the shape of ``input``.

    Raises:
        ValueError: the shapes differ, or ``reduction`` is none of the three.
        RuntimeError: the types differ, ``weight`` does not fit or requires a gradient, or a number lies outside
            [0, 1] (looked at on the CPU only).
        NotImplementedError: ``input`` is complex or of integers.

    Source: S36. Signature and behaviour: ``torch.nn.functional.binary_cross_entropy``.

    >>> import torch
    >>> p = torch.tensor([0.8, 0.4], requires_grad=True)
    >>> loss = binary_cross_entropy(p, torch.tensor([1.0, 0.0]))
    >>> loss.backward()
    >>> loss, p.grad
    (tensor(0.3670, grad_fn=<BinaryCrossEntropyBackward>), tensor([-0.6250,  0.8333]))
    """
    reduction = resolve(reduction, size_average, reduce)
    refuse_complex("binary_cross_entropy", input, target)
    if target.size() != input.size():
        raise ValueError(f"target must have the shape of input, {tuple(input.shape)}, but got {tuple(target.shape)}")
    refuse_gradient("binary_cross_entropy", weight=weight)
    input, target, weight = autocast("binary_cross_entropy", input, target, weight)
    if input.dtype != target.dtype:
        raise RuntimeError(f"input and target must have one type, but got {input.dtype} and {target.dtype}")
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be of floating point, but got {input.dtype}")
    if not fits(weight, input.shape):
        raise RuntimeError(f"weight must broadcast to {tuple(input.shape)}, but got {tuple(weight.shape)}")
    return BinaryCrossEntropy.apply(input, target, weight, reduction)

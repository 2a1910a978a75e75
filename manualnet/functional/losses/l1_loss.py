"""Mean absolute error."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import cast, widen
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused, summed
from manualnet.functional._shapes import sum_to
from manualnet.functional.losses._pairs import check_pair, difference, rounded, total_weight
from manualnet.functional.losses._reduce import divisor, reduced, resolve, share


@fused("fabsf(x - t)")
def _distance(x: Tensor, t: Tensor) -> Tensor:
    return rounded(difference(x, t).abs(), x, t)


@summed("fabsf(x - t) * (1 / count)")
def _distances(x: Tensor, t: Tensor, count: int) -> Tensor:
    total = difference(x, t).abs().sum()
    return total if count == 1 else total / count  # a sum of integers stays one


@fused("sign(x - t) * (each / count)")
def _slope(x: Tensor, t: Tensor, each: Tensor, count: Tensor | int) -> Tensor:
    return difference(x, t).sign() * (widen(each)[0] / count)


class L1Loss(Function):
    """L_i = w_i |x_i - t_i|, and their mean (Σ L_i / N, with weights Σ L_i / Σ w_i), sum or none.

    With d = x - t and g_i the cotangent of L_i (∂L/∂mean / N, or / Σ w)

        ∂L/∂x_i = w_i sign(d_i) g_i,   ∂L/∂t_i = -∂L/∂x_i,   ∂L/∂w_i = |d_i| g_i

    where the weighted mean M = S/W also depends on w through W: ∂M/∂w_i = (|d_i| - M) / W.
    Kink: sign(0) = 0. What broadcasting copied is summed back. Saved: the inputs alone; M is computed
    again, unrounded.
    """

    @staticmethod
    def forward(x, target, weight, reduction):
        total = total_weight(weight, x, target)
        if weight is None:
            if reduction == "none":
                return _distance(x, target)
            return rounded(_distances(x, target, divisor(reduction, total)), x, target)
        loss = difference(x, target).abs() * weight
        return rounded(reduced(loss, reduction, total), x, target, weight)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, target, weight, ctx.reduction = inputs
        save(ctx, x, target, weight)

    @staticmethod
    def backward(ctx, grad_out):
        x, target, weight = ctx.saved_tensors
        total = total_weight(weight, x, target)
        grad_x = grad_target = grad_weight = None
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            each = grad_out if weight is None else widen(weight)[0] * grad_out
            slope = _slope(x, target, each, divisor(ctx.reduction, total))
            grad_x = cast(sum_to(slope, x.shape), x.dtype) if ctx.needs_input_grad[0] else None
            grad_target = -cast(sum_to(slope, target.shape), target.dtype) if ctx.needs_input_grad[1] else None
        if ctx.needs_input_grad[2]:
            loss = difference(x, target).abs()
            each = share(grad_out, ctx.reduction, total)
            grad_weight = sum_to(loss * each, weight.shape)
            if ctx.reduction == "mean":
                grad_weight = grad_weight - reduced(loss * weight, "mean", total) * each
            grad_weight = grad_weight.to(weight.dtype)
        return grad_x, grad_target, grad_weight, None

    @staticmethod
    def jvp(ctx, x_tangent, target_tangent, weight_tangent, *_):
        x, target, weight = ctx.saved_tensors
        d = difference(x, target)
        change = d.sign() * difference(x_tangent, target_tangent)
        if weight is None:
            return rounded(reduced(change, ctx.reduction), x, target)
        total = total_weight(weight, x, target)
        loss = d.abs()
        change = reduced(change * weight + loss * weight_tangent, ctx.reduction, total)
        if ctx.reduction == "mean":
            (wide_tangent,) = widen(weight_tangent)
            change = change - reduced(loss * weight, "mean", total) * wide_tangent.sum() / total
        return rounded(change, x, target, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """L = |x - t|, averaged, with dL/dx = sign(x - t), 0 where x = t.

    Args:
        input: any shape.
        target: the shape of ``input``; another that broadcasts brings a warning. May require a gradient.
        size_average, reduce: PyTorch's older form of ``reduction``.
        reduction: ``"mean"`` (with weights Σ w L / Σ w), ``"sum"`` or ``"none"``.
        weight: the shape of ``input``; may require a gradient.

    Returns:
        A number, or for ``"none"`` a tensor of the shape to which the arguments broadcast.

    Raises:
        ValueError: ``weight`` has another shape than ``input``, or ``reduction`` is none of the three.
        RuntimeError: the shapes do not broadcast, or a mean of integers is asked for without a ``weight``.
        NotImplementedError: an argument is complex or bool.

    Source: S36. Signature and behaviour: ``torch.nn.functional.l1_loss``.

    >>> import torch
    >>> x = torch.tensor([1.0, 4.0, 2.0], requires_grad=True)
    >>> loss = l1_loss(x, torch.tensor([2.0, 1.0, 2.0]), reduction="sum")
    >>> loss.backward()
    >>> loss, x.grad
    (tensor(4., grad_fn=<L1LossBackward>), tensor([-1.,  1.,  0.]))
    """
    input, target = check_pair("l1_loss", input, target, weight)
    reduction = resolve(reduction, size_average, reduce)
    if torch.bool in (input.dtype, target.dtype):
        raise NotImplementedError(f"l1_loss needs numbers, but got {input.dtype} and {target.dtype}")
    if reduction == "mean" and weight is None and not (input.is_floating_point() or target.is_floating_point()):
        raise RuntimeError(f"a mean needs floating point, but got {input.dtype} and {target.dtype}")
    return L1Loss.apply(input, target, weight, reduction)

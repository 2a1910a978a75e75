"""Mean squared error."""

from torch import Tensor

from manualnet.functional._dtypes import cast, widen
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused, summed
from manualnet.functional._shapes import sum_to
from manualnet.functional.losses._pairs import check_pair, difference, rounded, total_weight
from manualnet.functional.losses._reduce import divisor, reduced, resolve, share


@fused("(x - t) * (x - t)")
def _square(x: Tensor, t: Tensor) -> Tensor:
    return rounded(difference(x, t).square(), x, t)


@summed("(x - t) * (x - t) * (1 / count)")
def _squares(x: Tensor, t: Tensor, count: int) -> Tensor:
    return difference(x, t).square().sum() / count


@fused("2 * (x - t) * (each / count)")
def _slope(x: Tensor, t: Tensor, each: Tensor, count: Tensor | int) -> Tensor:
    return 2 * difference(x, t) * (widen(each)[0] / count)


class MseLoss(Function):
    """L_i = w_i (x_i - t_i)², and their mean (Σ L_i / N, with weights Σ L_i / Σ w_i), sum or none.

    With d = x - t and g_i the cotangent of L_i (∂L/∂mean / N, or / Σ w)

        ∂L/∂x_i = 2 w_i d_i g_i,   ∂L/∂t_i = -∂L/∂x_i,   ∂L/∂w_i = d_i² g_i

    where the weighted mean M = S/W also depends on w through W: ∂M/∂w_i = (d_i² - M) / W.
    What broadcasting copied is summed back. Saved: the inputs alone; M is computed again, unrounded.
    """

    @staticmethod
    def forward(x, target, weight, reduction):
        total = total_weight(weight, x, target)
        if weight is None:
            if reduction == "none":
                return _square(x, target)
            return rounded(_squares(x, target, divisor(reduction, total)), x, target)
        loss = difference(x, target).square() * weight
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
            loss = difference(x, target).square()
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
        change = 2 * d * difference(x_tangent, target_tangent)
        if weight is None:
            return rounded(reduced(change, ctx.reduction), x, target)
        total = total_weight(weight, x, target)
        loss = d.square()
        change = reduced(change * weight + loss * weight_tangent, ctx.reduction, total)
        if ctx.reduction == "mean":
            (wide_tangent,) = widen(weight_tangent)
            change = change - reduced(loss * weight, "mean", total) * wide_tangent.sum() / total
        return rounded(change, x, target, weight)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """L = (x - t)², averaged, with dL/dx = 2 (x - t).

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
        RuntimeError: the shapes do not broadcast.
        NotImplementedError: an argument is complex, or all are of integers and there is no ``weight``.

    Source: S48, where E = ½ Σ (x - t)² is ``squared_error``. Signature and behaviour: ``torch.nn.functional.mse_loss``.

    >>> import torch
    >>> x = torch.tensor([1.0, 4.0], requires_grad=True)
    >>> loss = mse_loss(x, torch.tensor([0.0, 1.0]))
    >>> loss.backward()
    >>> loss, x.grad
    (tensor(5., grad_fn=<MseLossBackward>), tensor([1., 3.]))
    """
    input, target = check_pair("mse_loss", input, target, weight)
    reduction = resolve(reduction, size_average, reduce)
    if weight is None and not (input.is_floating_point() or target.is_floating_point()):
        raise NotImplementedError(f"mse_loss needs floating point, but got {input.dtype} and {target.dtype}")
    return MseLoss.apply(input, target, weight, reduction)

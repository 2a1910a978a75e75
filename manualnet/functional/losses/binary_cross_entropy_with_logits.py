"""Binary cross-entropy of a score: the sigmoid and the binary cross-entropy in one."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused, summed
from manualnet.functional.losses._arguments import fits, refuse_gradient
from manualnet.functional.losses._reduce import divisor, reduced, resolve

_EACH = "((1 - t) * x + minus_log_sigmoid(x)) * w"
_EACH_BY_CLASS = "((1 - t) * x + (1 + (v - 1) * t) * minus_log_sigmoid(x)) * w"


# Weights come last: in half precision they would pull a number without dimensions, as a cotangent is, to their type.
def _terms(x: Tensor, t: Tensor, w: Tensor) -> Tensor:
    z, t = widen(x, t)
    return ((1 - t) * z - torch.nn.functional.logsigmoid(z)) * w


def _terms_by_class(x: Tensor, t: Tensor, w: Tensor, v: Tensor) -> Tensor:
    z, t, v = widen(x, t, v)
    return ((1 - t) * z - (1 + (v - 1) * t) * torch.nn.functional.logsigmoid(z)) * w


_each = fused(_EACH, "exp.h", "log.h")(_terms)
_each_by_class = fused(_EACH_BY_CLASS, "exp.h", "log.h")(_terms_by_class)


@summed(f"{_EACH} * (1 / count)", "exp.h", "log.h")
def _losses(x: Tensor, t: Tensor, w: Tensor, count: int) -> Tensor:
    return _terms(x, t, w).sum() / count


@summed(f"{_EACH_BY_CLASS} * (1 / count)", "exp.h", "log.h")
def _losses_by_class(x: Tensor, t: Tensor, w: Tensor, v: Tensor, count: int) -> Tensor:
    return _terms_by_class(x, t, w, v).sum() / count


@fused("each / count * (sigmoid(x) - t) * w", "exp.h", "log.h")
def _times_slope(x: Tensor, t: Tensor, w: Tensor, each: Tensor, count: int) -> Tensor:
    z, t, each = widen(x, t, each)
    return (each / count * BinaryCrossEntropyWithLogits.slope_x(z, t, None) * w).to(x.dtype)


@fused("each / count * ((1 - t) * sigmoid(x) - v * t * sigmoid(-x)) * w", "exp.h", "log.h")
def _times_slope_by_class(x: Tensor, t: Tensor, w: Tensor, v: Tensor, each: Tensor, count: int) -> Tensor:
    z, t, v, each = widen(x, t, v, each)
    return (each / count * BinaryCrossEntropyWithLogits.slope_x(z, t, v) * w).to(x.dtype)


class BinaryCrossEntropyWithLogits(Function):
    """L_i = -w_i (v t_i log σ(x_i) + (1 - t_i) log(1 - σ(x_i))), v the weight of the positive class.

    As log(1 - σ(x)) = log σ(x) - x, L_i = w_i ((1 - t) x - (1 + (v - 1) t) log σ(x)), which no x overflows. With
    d log σ(x)/dx = 1 - σ(x)

        ∂L_i/∂x_i = w_i ((1 - t) σ(x) - v t σ(-x))        (σ(x) - t for v = 1, as σ(-x) = 1 - σ(x))
        ∂L_i/∂t_i = w_i (log σ(-x) - v log σ(x))          (-x for v = 1, as log σ(-x) = log σ(x) - x)

    times g_i, the cotangent of L_i (∂L/∂mean / N for the mean). Saved: inputs alone; σ is one step away.
    """

    @staticmethod
    def forward(x, target, weight, pos_weight, reduction):
        w, v = 1.0 if weight is None else weight, pos_weight
        if reduction == "none":
            loss = _each(x, target, w) if v is None else _each_by_class(x, target, w, v)
        else:
            n = divisor(reduction, x.numel())
            loss = _losses(x, target, w, n) if v is None else _losses_by_class(x, target, w, v, n)
        return loss.to(target.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, target, weight, pos_weight, ctx.reduction = inputs
        save(ctx, x, target, weight, pos_weight)

    @staticmethod
    def slope_x(z, t, v):
        return torch.sigmoid(z) - t if v is None else (1 - t) * torch.sigmoid(z) - v * t * torch.sigmoid(-z)

    @staticmethod
    def slope_target(z, v):
        # Neither logarithm is taken as a difference, of which little would be left where v is small.
        return -z if v is None else torch.nn.functional.logsigmoid(-z) - v * torch.nn.functional.logsigmoid(z)

    @staticmethod
    def backward(ctx, grad_out):
        x, target, weight, pos_weight = ctx.saved_tensors
        n = divisor(ctx.reduction, x.numel())
        grad_x = grad_target = None
        if ctx.needs_input_grad[0]:
            w = 1.0 if weight is None else weight
            if pos_weight is None:
                grad_x = _times_slope(x, target, w, grad_out, n)
            else:
                grad_x = _times_slope_by_class(x, target, w, pos_weight, grad_out, n)
        if ctx.needs_input_grad[1]:
            z, v, w, g = widen(x, pos_weight, weight, grad_out)
            g = g if w is None else g * w
            grad_target = (g / n * BinaryCrossEntropyWithLogits.slope_target(z, v)).to(target.dtype)
        return grad_x, grad_target, None, None, None

    @staticmethod
    def jvp(ctx, x_tangent, target_tangent, *_):
        x, target, weight, pos_weight = ctx.saved_tensors
        z, t, w, v = widen(x, target, weight, pos_weight)
        change = BinaryCrossEntropyWithLogits.slope_x(z, t, v) * x_tangent
        change = change + BinaryCrossEntropyWithLogits.slope_target(z, v) * target_tangent
        return reduced(change if w is None else change * w, ctx.reduction).to(target.dtype)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Sigmoid, then binary cross-entropy: L = -(t log σ(x) + (1 - t) log(1 - σ(x))), with dL/dx = σ(x) - t.

    Args:
        input: scores, any shape. No sigmoid before: it is in the loss.
        target: floating, of the shape of ``input``; may require a gradient.
        weight: broadcasts to the shape of ``input``; a constant.
        size_average, reduce: PyTorch's older form of ``reduction``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: factor of the positive part, broadcasts to the shape of ``input``; a constant.

    Returns:
        A number, or for ``"none"`` a tensor of the shape of ``input``; of the type of ``target``.

    Raises:
        ValueError: the shapes differ, or ``reduction`` is none of the three.
        RuntimeError: ``target`` is of integers, or a weight does not fit or requires a gradient.
        NotImplementedError: ``input`` is complex or of integers, or a bool came.

    Source: S36. Signature and behaviour: ``torch.nn.functional.binary_cross_entropy_with_logits``.

    >>> import torch
    >>> x = torch.tensor([0.0, 2.0], requires_grad=True)
    >>> loss = binary_cross_entropy_with_logits(x, torch.tensor([1.0, 0.0]))
    >>> loss.backward()
    >>> loss, x.grad
    (tensor(1.4100, grad_fn=<BinaryCrossEntropyWithLogitsBackward>), tensor([-0.2500,  0.4404]))
    """
    name = "binary_cross_entropy_with_logits"
    reduction = resolve(reduction, size_average, reduce)
    refuse_complex(name, input, target)
    if target.size() != input.size():
        raise ValueError(f"target must have the shape of input, {tuple(input.shape)}, but got {tuple(target.shape)}")
    refuse_gradient(name, weight=weight, pos_weight=pos_weight)
    input, target, weight, pos_weight = autocast(name, input, target, weight, pos_weight)
    if not input.is_floating_point() or target.dtype == torch.bool:
        raise NotImplementedError(f"input and target must be of floating point, got {input.dtype} and {target.dtype}")
    if not target.is_floating_point():
        raise RuntimeError(f"target must be of floating point, but got {target.dtype}")
    for argument, t in (("weight", weight), ("pos_weight", pos_weight)):
        if not fits(t, input.shape):
            raise RuntimeError(f"{argument} must broadcast to {tuple(input.shape)}, but got {tuple(t.shape)}")
    return BinaryCrossEntropyWithLogits.apply(input, target, weight, pos_weight, reduction)

"""Cross-entropy with probabilities as target: the second Function of ``cross_entropy``."""

import math

import torch

from manualnet.functional._dtypes import cast, widen
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.losses._classes import along_classes, class_axis, log_softmax_tangent
from manualnet.functional.losses._pairs import common_type
from manualnet.functional.losses._reduce import reduced, share
from manualnet.native import probabilities as native


class CrossEntropyOfProbabilities(Function):
    """L_i = -Σ_c q_ic log p_ic, p_i = softmax(x_i), for probabilities t_i as target.

    q_ic = w_c s_ic with the smoothed target s_ic = (1 - ε) t_ic + ε/C. All of L is differentiable:

        ∂L_i/∂x_ij = p_ij Σ_c q_ic - q_ij,   ∂L_i/∂t_ij = -(1 - ε) w_j log p_ij,   ∂L/∂w_j = -Σ_i s_ij log p_ij

    each times g_i, the cotangent of L_i: for the mean ∂L/∂mean / N, whatever the weights.
    Saved: inputs alone, as for class indices.
    """

    @staticmethod
    def forward(x, target, weight, reduction, smoothing):
        loss = native.cross_entropy(x, target, weight, reduction, smoothing) if plain(x, target, weight) else None
        if loss is not None:
            return cast(loss, x.dtype)
        log_p, q, _, n, dtype = CrossEntropyOfProbabilities.parts(x, target, weight, smoothing)
        return reduced(-(q * log_p).sum(class_axis(x)), reduction, n).to(dtype)

    @staticmethod
    def parts(x, target, weight, smoothing):
        """log p, q, the smoothed target, the number of examples and the type of the result."""
        s = _smoothed(target, smoothing)
        return _log_p(x), _weighted(s, weight), s, _examples(x), common_type(x, target, weight)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, target, weight, ctx.reduction, ctx.smoothing = inputs
        save(ctx, x, target, weight)

    @staticmethod
    def backward(ctx, grad_out):
        x, target, weight = ctx.saved_tensors
        grad_x = grad_target = grad_weight = None
        if ctx.needs_input_grad[0] and plain(grad_out, x, target, weight):
            grad_x = native.cross_entropy_backward(grad_out, x, target, weight, ctx.reduction, ctx.smoothing)
        if grad_x is not None and not any(ctx.needs_input_grad[1:3]):
            return grad_x, None, None, None, None
        (g,) = widen(grad_out)
        axis = class_axis(x)
        each = share(g, ctx.reduction, _examples(x))
        if ctx.reduction == "none":
            each = each.unsqueeze(axis)
        if ctx.needs_input_grad[0] and grad_x is None:
            p, q = torch.softmax(widen(x)[0], axis), _weighted(_smoothed(target, ctx.smoothing), weight)
            grad_x = (each * (p * q.sum(axis, keepdim=True) - q)).to(x.dtype)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            log_p = _log_p(x)
        if ctx.needs_input_grad[1]:
            grad_target = (ctx.smoothing - 1) * each * log_p
            if weight is not None:
                grad_target = grad_target * along_classes(weight, x)
            grad_target = grad_target.to(target.dtype)
        if ctx.needs_input_grad[2]:
            others = [i for i in range(x.dim()) if i != axis]
            grad_weight = -each * _smoothed(target, ctx.smoothing) * log_p
            grad_weight = (grad_weight.sum(others) if others else grad_weight).to(weight.dtype)
        return grad_x, grad_target, grad_weight, None, None

    @staticmethod
    def jvp(ctx, x_tangent, target_tangent, weight_tangent, *_):
        x, target, weight = ctx.saved_tensors
        log_p, q, s, n, dtype = CrossEntropyOfProbabilities.parts(x, target, weight, ctx.smoothing)
        q_tangent = (1 - ctx.smoothing) * widen(target_tangent)[0]
        if weight is not None:
            q_tangent = q_tangent * along_classes(weight, x) + s * along_classes(weight_tangent, x)
        change = q * log_softmax_tangent(*widen(x, x_tangent)) + q_tangent * log_p
        return reduced(-change.sum(class_axis(x)), ctx.reduction, n).to(dtype)


def _log_p(x):
    return torch.log_softmax(widen(x)[0], class_axis(x))


def _smoothed(target, smoothing):
    """s: the share ``smoothing`` of the target spread over all classes."""
    (target,) = widen(target)
    return (1 - smoothing) * target + smoothing / max(1, target.shape[class_axis(target)]) if smoothing else target


def _weighted(s, weight):
    """q: every class by its weight."""
    return s if weight is None else s * along_classes(weight, s)


def _examples(x) -> int:
    return math.prod(d for i, d in enumerate(x.shape) if i != class_axis(x)) if x.numel() else 0

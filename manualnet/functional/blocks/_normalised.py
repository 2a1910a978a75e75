"""Batch normalisation with an activation after it as one operation; the operation's own file says which."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from manualnet.functional._dtypes import cast, widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional._plain import plain
from manualnet.functional.layers._normalisation import (
    channels,
    gradients,
    gradients_of_evaluation,
    materialised,
    moments,
    normalise,
    tangent_of_evaluation,
    tangents,
)
from manualnet.functional.layers.batch_norm import BatchNormEvaluation, BatchNormTraining, batch_norm, check, track
from manualnet.native import batch_norm as native


class Normalised(Function):
    """y = f(z) with z = (x - μ) r · weight + bias, r = (v + ε)^-½, and mean μ and variance v of each channel.

    The chain rule puts the slope of f before batch normalisation's rule: with

        ∂L/∂z = ∂L/∂y · f'(z)

    ∂L/∂x, ∂L/∂weight and ∂L/∂bias follow from ∂L/∂z as in :class:`BatchNormTraining`.

    Saved: x, weight, bias, μ, v. z or y, which f alone would save, is computed again from x.

    A subclass writes ``activate`` and ``times_slope``, and says what f is called in ``batch_norm.c``.
    """

    name: ClassVar[str]

    @staticmethod
    def activate(z: Tensor) -> Tensor:
        """f(z)."""
        raise NotImplementedError

    @staticmethod
    def times_slope(g: Tensor, z: Tensor) -> Tensor:
        """g f'(z)."""
        raise NotImplementedError

    @staticmethod
    def again(x, weight, bias, mean, v, eps) -> Tensor:
        """z, as a function of x that can be differentiated once more."""
        r = (v + eps).rsqrt()
        z = (x - channels(mean, x)) * channels(r if weight is None else r * weight, x)
        return z if bias is None else z + channels(bias, x)

    @classmethod
    def forward(cls, x, weight, bias, eps):
        compiled = native.forward(x, weight, bias, eps, cls.name) if plain(x, weight, bias) else None
        if compiled is not None:
            return compiled
        mean, v = moments(x)
        (wide,) = widen(x)
        z = normalise(wide, mean, v, weight, bias, eps)
        return cls.activate(z).to(x.dtype), mean, v

    setup_context = staticmethod(BatchNormTraining.setup_context)

    @classmethod
    def backward(cls, ctx, grad_out, grad_mean, grad_v):
        x, weight, bias, mean, v = ctx.saved_tensors
        statistics, needs = (mean, v, ctx.eps), ctx.needs_input_grad
        if grad_out is not None and plain(grad_out, grad_mean, grad_v, x, weight, bias, *statistics):
            compiled = native.backward(grad_out, x, weight, bias, *statistics, (grad_mean, grad_v), needs, cls.name)
            if compiled is not None:
                return *compiled, None
        g, *of_statistics = materialised((grad_out, grad_mean, grad_v), (x, mean, v))
        wide_grad, wide = widen(g, x)
        grad_z = cls.times_slope(wide_grad, cls.again(wide, weight, bias, mean, v, ctx.eps))
        grad_x, grad_weight, grad_bias = gradients(grad_z, wide, weight, bias, *statistics, of_statistics, needs)
        return None if grad_x is None else grad_x.to(x.dtype), grad_weight, grad_bias, None

    @classmethod
    def jvp(cls, ctx, x_dot, weight_dot, bias_dot, _):
        x, weight, bias, mean, v = ctx.saved_tensors
        (x_dot,) = materialised((x_dot,), (x,))
        wide_dot, wide = widen(x_dot, x)
        z_dot, mean_dot, v_dot = tangents(wide_dot, weight_dot, bias_dot, wide, weight, mean, v, ctx.eps)
        z = cls.again(wide, weight, bias, mean, v, ctx.eps)
        return cls.times_slope(z_dot, z).to(x.dtype), mean_dot, v_dot


class NormalisedEvaluation(Function):
    """y = f(z) as in :class:`Normalised`, with constants μ and v: from ∂L/∂z on the rule of ``BatchNormEvaluation``.

    Saved: the inputs. A subclass says what is done in training.
    """

    rule: ClassVar[type[Normalised]]

    @classmethod
    def forward(cls, x, mean, v, weight, bias, eps):
        tensors = x, mean, v, weight, bias
        compiled = native.evaluate(*tensors, eps, cls.rule.name) if plain(*tensors) else None
        if compiled is not None:
            return compiled
        wide, mean, v, weight, bias = widen(*tensors)
        return cls.rule.activate(normalise(wide, mean, v, weight, bias, eps)).to(x.dtype)

    setup_context = staticmethod(BatchNormEvaluation.setup_context)

    @classmethod
    def backward(cls, ctx, grad_out):
        x, mean, v, weight, bias = ctx.saved_tensors
        need_x, _, _, *others, _ = ctx.needs_input_grad
        needs, grads = (need_x, *others), None
        if plain(grad_out, *ctx.saved_tensors):
            grads = native.backward(grad_out, x, weight, bias, mean, v, ctx.eps, None, needs, cls.rule.name)
        if grads is None:
            wide_grad, wide, wide_weight, wide_bias, wide_mean, wide_v = widen(grad_out, x, weight, bias, mean, v)
            z = cls.rule.again(wide, wide_weight, wide_bias, wide_mean, wide_v, ctx.eps)
            grad_z = cls.rule.times_slope(wide_grad, z)
            grads = gradients_of_evaluation(grad_z, wide, mean, v, weight, bias, ctx.eps, needs)
        grad_x, *others = grads
        return None if grad_x is None else cast(grad_x, x.dtype), None, None, *others, None

    @classmethod
    def jvp(cls, ctx, x_dot, _mean, _v, weight_dot, bias_dot, _eps):
        x, mean, v, weight, bias = ctx.saved_tensors
        z_dot = tangent_of_evaluation(x_dot, weight_dot, bias_dot, x, mean, v, weight, ctx.eps)
        wide, weight, bias, mean, v = widen(x, weight, bias, mean, v)
        z = cls.rule.again(wide, weight, bias, mean, v, ctx.eps)
        return cls.rule.times_slope(z_dot, z).to(x.dtype)


def normalised(
    rule: type[Normalised],
    evaluation: type[NormalisedEvaluation],
    function: Callable[[Tensor], Tensor],
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """The call of such an operation: ``function`` is f with its own gradient, for what is no batch."""
    if not isinstance(input, Tensor) or input.dim() < 2:
        return function(batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps))
    refuse_complex(f"batch_norm_{rule.name}", input)
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    check(input, named, training, eps)
    if not training:
        return evaluation.apply(input, running_mean, running_var, weight, bias, eps)
    y, mean, v = rule.apply(input, weight, bias, eps)
    track(input, running_mean, running_var, mean, v, momentum)
    return y

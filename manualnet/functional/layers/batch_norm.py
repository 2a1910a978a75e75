"""Batch normalisation (Ioffe & Szegedy 2015): every channel shifted and scaled to mean 0 and variance 1."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import HALF, widen
from manualnet.functional._errors import need_real, need_tensors
from manualnet.functional._function import Function, save
from manualnet.functional._plain import held, plain
from manualnet.functional.layers import _batch_norm_fast
from manualnet.functional.layers._normalisation import (
    gradients,
    gradients_of_evaluation,
    materialised,
    moments,
    normalise,
    tangent_of_evaluation,
    tangents,
)
from manualnet.native import batch_norm as native


class BatchNormTraining(Function):
    """y = x̂ · weight + bias with x̂ = (x - μ) r and r = (v + ε)^-½, over the m elements of each channel.

    μ = Σ x / m and v = Σ (x - μ)² / m are outputs too: the rule needs them, and so do the running statistics. With
    g = ∂L/∂y, G_μ = ∂L/∂μ and G_v = ∂L/∂v (zero unless somebody uses those outputs) and sums over a channel,

        ∂L/∂bias   = Σ g
        ∂L/∂weight = Σ g x̂ = r Σ g (x - μ)

    An element x_i acts on L by three paths: directly, through μ and through v. With dμ/dx_i = 1/m,
    dv/dx_i = 2 (x_i - μ) / m (its own path through μ vanishes, as Σ (x - μ) = 0) and dr/dv = -½ r³,

        ∂L/∂x_i = weight r (g_i - Σ g / m - x̂_i Σ g x̂ / m) + (G_μ + 2 (x_i - μ) G_v) / m

    A direction (ẋ, ẇ, ḃ) gives μ̇ = Σ ẋ / m, v̇ = 2 Σ (x - μ) ẋ / m and
    ẏ = weight r (ẋ - μ̇ - ½ (x - μ) r² v̇) + ẇ x̂ + ḃ.

    Shapes: x, y (N, C, …); weight, bias, μ, v (C). Saved: x, weight, bias, μ, v; x̂ would be one more tensor of the size
    of x. There is no kink: ε keeps the slope of a constant channel finite.
    """

    @staticmethod
    def forward(x, weight, bias, eps):
        if plain(x, weight, bias):
            compiled = native.forward(x, weight, bias, eps)
            if compiled is not None:
                return compiled
            if _batch_norm_fast.applies(x):
                return _batch_norm_fast.forward(x, weight, bias, eps)
        mean, v = moments(x)
        return normalise(x, mean, v, weight, bias, eps), mean, v

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, ctx.eps = inputs
        _, mean, v = output
        save(ctx, x, weight, bias, mean, v)
        # A first derivative asks nothing of μ and v: no zeros are made for their cotangents.
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad_out, grad_mean, grad_v):
        x, weight, bias, mean, v = ctx.saved_tensors
        arguments = x, weight, bias, mean, v, ctx.eps
        fast = plain(grad_out, grad_mean, grad_v, *arguments)
        if fast and grad_out is not None:
            compiled = native.backward(grad_out, *arguments, (grad_mean, grad_v), ctx.needs_input_grad)
            if compiled is not None:
                return *compiled, None
        g, *of_statistics = materialised((grad_out, grad_mean, grad_v), (x, mean, v))
        rule = _batch_norm_fast.backward if fast and _batch_norm_fast.applies(x) else gradients
        return *rule(g, *arguments, of_statistics, ctx.needs_input_grad), None

    @staticmethod
    def jvp(ctx, x_dot, weight_dot, bias_dot, _):
        x, weight, _, mean, v = ctx.saved_tensors
        (x_dot,) = materialised((x_dot,), (x,))
        return tangents(x_dot, weight_dot, bias_dot, x, weight, mean, v, ctx.eps)


class BatchNormEvaluation(Function):
    """y = (x - μ) r · weight + bias with r = (v + ε)^-½, where μ and v are constants: the running statistics.

    Nothing but x_i acts on y_i, so with sums over a channel

        ∂L/∂x = weight r g        ∂L/∂weight = r Σ g (x - μ)        ∂L/∂bias = Σ g

    The running statistics are no function of the parameters, hence without a gradient. Shapes and conventions as in
    :class:`BatchNormTraining`. Saved: the inputs.
    """

    @staticmethod
    def forward(x, mean, v, weight, bias, eps):
        return normalise(x, mean, v, weight, bias, eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.eps = inputs
        save(ctx, *tensors)

    @staticmethod
    def backward(ctx, grad_out):
        x, mean, v, weight, bias = ctx.saved_tensors
        need_x, _, _, *needs, _ = ctx.needs_input_grad
        grads = None
        if plain(grad_out, *ctx.saved_tensors):
            grads = native.backward(grad_out, x, weight, bias, mean, v, ctx.eps, None, (need_x, *needs))
        if grads is None:
            grads = gradients_of_evaluation(grad_out, x, mean, v, weight, bias, ctx.eps, (need_x, *needs))
        return grads[0], None, None, *grads[1:], None

    @staticmethod
    def jvp(ctx, x_dot, _mean, _v, weight_dot, bias_dot, _eps):
        x, mean, v, weight, _ = ctx.saved_tensors
        return tangent_of_evaluation(x_dot, weight_dot, bias_dot, x, mean, v, weight, ctx.eps).to(x.dtype)


class _Track(Function):
    """running ← (1 - momentum) running + momentum · batch, in place and without a derivative.

    Of the batch's variance ``share`` is taken, which makes it the unbiased one. A Function, because torch.func lets no
    other Python code write to a buffer that the differentiated function captured; PyTorch's kernel may.
    """

    @staticmethod
    def forward(running_mean, running_var, mean, v, momentum, share):
        for running, batch, part in ((running_mean, mean, momentum), (running_var, v, share)):
            wide, batch = widen(running, batch)
            running.copy_((1 - momentum) * wide + part * batch)
        return torch.zeros((), dtype=torch.bool, device=running_mean.device)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, _):
        return None, None, None, None, None, None

    @staticmethod
    def jvp(ctx, *_):
        return None


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise every channel, y = (x - μ) / √(v + ε) · weight + bias; the gradient is in the classes above.

    Args:
        input: (N, C) or (N, C, …). Half precision may come with float32 parameters and statistics.
        running_mean, running_var: (C). In training they are moved by ``momentum`` towards the batch's mean and
            unbiased variance, if given; in evaluation they are μ and v.
        weight, bias: (C), or None for 1 and 0.
        training: take μ and the biased variance v from the batch.
        momentum: of the running statistics.
        eps: ε, added to the variance.

    Returns:
        A tensor of the shape, type and memory format of ``input``.

    Raises:
        ValueError: training with a single value a channel; ``eps`` not positive (negative, in evaluation); one of the
            two statistics alone.
        RuntimeError: sizes or types do not fit; no statistics in evaluation, or some that require a gradient.
        IndexError: ``input`` has less than two axes.
        NotImplementedError: ``input`` is not floating, or complex.

    Source: S30; Ioffe & Szegedy 2015, arXiv 1502.03167. Signature and behaviour:
    ``torch.nn.functional.batch_norm``.

    >>> import torch
    >>> x = torch.tensor([[1.0], [2.0], [6.0]], requires_grad=True)
    >>> y = batch_norm(x, None, None, training=True)
    >>> y[0].sum().backward()
    >>> y.detach().flatten(), x.grad.flatten()
    (tensor([-0.9258, -0.4629,  1.3887]), tensor([ 0.1763, -0.2204,  0.0441]))
    """
    need_real("batch_norm", input=input)
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    check(input, named, training, eps)
    if input.dim() < 2:  # PyTorch allows an empty one
        return batch_norm(input.reshape(0, 0), running_mean, running_var, weight, bias, training).reshape(0)
    if not training:
        return BatchNormEvaluation.apply(input, running_mean, running_var, weight, bias, eps)
    y, mean, v = BatchNormTraining.apply(input, weight, bias, eps)
    track(input, running_mean, running_var, mean, v, momentum)
    return y


def track(x, running_mean, running_var, mean, v, momentum) -> None:
    """Move the running statistics, if there are any, towards those of the batch ``x``."""
    if running_mean is None or not x.numel():
        return
    m = x.numel() // x.shape[1]
    share = momentum * (m / (m - 1))
    running, batch = (running_mean, running_var), (mean, v)
    # What mean is, variance is too.
    if not (held(running_mean, running_var, mean) and native.track(running, batch, momentum, share)):
        with torch.no_grad():
            _Track.apply(*running, *batch, momentum, share)


def check(x: Tensor, named: dict[str, Tensor | None], training: bool, eps: float) -> None:
    """Refuse what does not fit; ``named`` are the running statistics and then the parameters."""
    channels = x.shape[1] if x.dim() > 1 else 0
    if training and x.dim() > 0 and x.shape[0] * x.shape[2:].numel() == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm eps must be {'positive during training' if training else '≥ 0'}, but got {eps}")
    mean, var = named["running_mean"], named["running_var"]
    if not training and (mean is None or var is None):
        missing = "running_mean" if mean is None else "running_var"
        raise RuntimeError(f"{missing} must be defined in evaluation mode")
    if (mean is None) != (var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if not x.is_floating_point():
        raise NotImplementedError(f"batch_norm: the input must be floating, but is {x.dtype}")
    given, mixed = {name: t for name, t in named.items() if t is not None}, False
    need_tensors("batch_norm", **given)
    for name, t in given.items():
        if t.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements, one a channel, not {t.numel()}")
        mixed = mixed or t.dtype != x.dtype
    if x.dim() < 2 and x.numel():
        raise IndexError(f"batch_norm: the input must be (N, C, …), but has the shape {tuple(x.shape)}")
    if mixed:
        _check_mixed(x, given)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (mean, var)):
        raise RuntimeError("batch_norm is not differentiable with respect to the running statistics: detach them")


def _check_mixed(x: Tensor, given: dict[str, Tensor]) -> None:
    """Of several types, all but a half-precision input's must be float32."""
    for name, t in given.items():
        if t.dtype != torch.float32 or (t.dtype != x.dtype and x.dtype not in HALF):
            raise RuntimeError(
                f"batch_norm: {name} must have the input's type {x.dtype}, or all float32 beside a "
                f"half-precision input, but it is {t.dtype}"
            )

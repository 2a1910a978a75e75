"""Batch normalisation and GELU after it, as one operation."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.activations.gelu import gelu, times_slope
from manualnet.functional.layers._normalisation import channels, gradients, moments, normalise, tangents
from manualnet.functional.layers.batch_norm import batch_norm, check, track
from manualnet.native import batch_norm as native


class BatchNormGELU(Function):
    """y = z Φ(z) with z = (x - μ) r · weight + bias, r = (v + ε)^-½, and mean μ and variance v of each channel.

    The chain rule puts GELU's slope before batch normalisation's rule: with

        ∂L/∂z = ∂L/∂y · (Φ(z) + z φ(z))

    ∂L/∂x, ∂L/∂weight and ∂L/∂bias follow from ∂L/∂z as in :class:`BatchNormTraining`.

    Saved: x, weight, bias, μ, v. z, which GELU alone would save, is computed again from x.
    """

    @staticmethod
    def forward(x, weight, bias, eps):
        if plain(x, weight, bias) and native.applies(x):
            return native.forward(x, weight, bias, eps, "gelu")
        mean, v = moments(x)
        (wide,) = widen(x)
        z = normalise(wide, mean, v, weight, bias, eps)
        return torch.nn.functional.gelu(z).to(x.dtype), mean, v

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, ctx.eps = inputs
        _, mean, v = output
        save(ctx, x, weight, bias, mean, v)

    @staticmethod
    def backward(ctx, grad_out, grad_mean, grad_v):
        x, weight, bias, mean, v = ctx.saved_tensors
        rest = mean, v, ctx.eps, (grad_mean, grad_v), ctx.needs_input_grad
        if plain(grad_out, grad_mean, grad_v, *ctx.saved_tensors) and native.applies(x):
            return *native.backward(grad_out, x, weight, bias, *rest, "gelu"), None
        wide_grad, wide = widen(grad_out, x)
        grad_z = times_slope(wide_grad, _z(wide, weight, bias, mean, v, ctx.eps))
        grad_x, grad_weight, grad_bias = gradients(grad_z, wide, weight, bias, *rest)
        return None if grad_x is None else grad_x.to(x.dtype), grad_weight, grad_bias, None

    @staticmethod
    def jvp(ctx, x_dot, weight_dot, bias_dot, _):
        x, weight, bias, mean, v = ctx.saved_tensors
        wide_dot, wide = widen(x_dot, x)
        z_dot, mean_dot, v_dot = tangents(wide_dot, weight_dot, bias_dot, wide, weight, mean, v, ctx.eps)
        z = _z(wide, weight, bias, mean, v, ctx.eps)
        return times_slope(z_dot, z).to(x.dtype), mean_dot, v_dot


def _z(x, weight, bias, mean, v, eps) -> Tensor:
    r = (v + eps).rsqrt()
    z = (x - channels(mean, x)) * channels(r if weight is None else r * weight, x)
    return z if bias is None else z + channels(bias, x)


def batch_norm_gelu(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """gelu(batch_norm(input)), keeping one tensor for the backward pass in place of two, and rounding once.

    y = zΦ(z) with z = (x - μ) / √(v + ε) · weight + bias; ∂L/∂z = ∂L/∂y (Φ(z) + zφ(z)), and from there on the rule of
    :func:`batch_norm`.

    Args:
        input: (N, C) or (N, C, …). Half precision may come with float32 parameters and statistics.
        running_mean, running_var: (C), moved in training and used in evaluation, as by :func:`batch_norm`.
        weight, bias: (C), or None for 1 and 0.
        training: take μ and v from the batch.
        momentum: of the running statistics.
        eps: ε, added to the variance.

    Returns:
        A tensor of the shape, type and memory format of ``input``.

    Raises:
        ValueError, RuntimeError, IndexError, NotImplementedError: as :func:`batch_norm`.

    Source: S30 and Hendrycks and Gimpel 2016, arXiv:1606.08415. Equal to PyTorch's two functions, one after the other.

    >>> import torch
    >>> x = torch.tensor([[1.0], [2.0], [6.0]], requires_grad=True)
    >>> y = batch_norm_gelu(x, None, None, training=True)
    >>> y.detach().flatten()
    tensor([-0.1641, -0.1489,  1.2742])
    >>> torch.equal(y, gelu(batch_norm(x, None, None, training=True)))
    True
    """
    if not isinstance(input, Tensor) or input.dim() < 2:
        return gelu(batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps))
    refuse_complex("batch_norm_gelu", input)
    statistics = {"running_mean": running_mean, "running_var": running_var}
    check(input, statistics, {"weight": weight, "bias": bias}, training, eps)
    if not training:
        if plain(input, running_mean, running_var, weight, bias) and native.applies(input):
            return native.evaluate(input, running_mean, running_var, weight, bias, eps, "gelu")
        x, mean, v, weight, bias = widen(input, running_mean, running_var, weight, bias)
        return gelu(batch_norm(x, mean, v, weight, bias, False, momentum, eps)).to(input.dtype)
    y, mean, v = BatchNormGELU.apply(input, weight, bias, eps)
    track(input, running_mean, running_var, mean, v, momentum)
    return y

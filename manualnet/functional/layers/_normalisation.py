"""The arithmetic of batch normalisation in training, as a function of its statistics."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import HALF, widen


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """μ and v of every channel, in at least float32."""
    (wide,) = widen(x)
    if x.numel():
        v, mean = torch.var_mean(wide, axes_of(x), correction=0)
        return mean, v
    return wide.new_zeros(x.shape[1]), wide.new_zeros(x.shape[1])


def gradients(grad_out, x, weight, bias, mean, v, eps, cotangents, needs):
    """The rule: ∂L/∂x, ∂L/∂weight and ∂L/∂bias, where ``cotangents`` are those of μ and v."""
    axes, m = axes_of(x), count(x)
    g, wide, wide_weight = widen(grad_out, x, weight)
    r = (v + eps).rsqrt()
    grad_mean, grad_v = cotangents
    grad_x = grad_weight = grad_bias = None
    if needs[0] or needs[1]:
        centred = wide - channels(mean, x)
        sum_gc = (g * centred).sum(axes)
    if needs[0] or needs[2]:
        sum_g = g.sum(axes)
    if needs[0]:
        scale = r if weight is None else r * wide_weight
        slope = (2 * grad_v - scale * sum_gc / (v + eps)) / m
        grad_x = torch.addcmul(channels(grad_mean / m, x), centred, channels(slope, x))
        # The mean is taken off first: what is left may be far smaller than g.
        grad_x = torch.addcmul(grad_x, g - channels(sum_g / m, x), channels(scale, x)).to(x.dtype)
    if needs[1]:
        grad_weight = (r * sum_gc).to(weight.dtype)
    if needs[2]:
        grad_bias = sum_g.to(bias.dtype)
    return grad_x, grad_weight, grad_bias


def tangents(x_dot, weight_dot, bias_dot, x, weight, mean, v, eps):
    """The directions of y, μ and v."""
    axes, m = axes_of(x), count(x)
    wide_dot, wide, wide_weight = widen(x_dot, x, weight)
    r = (v + eps).rsqrt()
    centred = wide - channels(mean, x)
    mean_dot = wide_dot.sum(axes) / m
    v_dot = 2 * (centred * wide_dot).sum(axes) / m
    y_dot = wide_dot - channels(mean_dot, x) - centred * channels(0.5 * r.square() * v_dot, x)
    y_dot = y_dot * channels(r if weight is None else r * wide_weight, x)
    if weight_dot is not None:
        y_dot = y_dot + centred * channels(r * weight_dot, x)
    if bias_dot is not None:
        y_dot = y_dot + channels(bias_dot, x)
    return y_dot.to(x.dtype), mean_dot, v_dot


def gradients_of_evaluation(grad_out, x, mean, v, weight, bias, eps, needs):
    """The same three where μ and v are constants."""
    axes = axes_of(x)
    g, wide, mean, v, wide_weight = widen(grad_out, x, mean, v, weight)
    r = (v + eps).rsqrt()
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_x = (g * channels(r if weight is None else r * wide_weight, x)).to(x.dtype)
    if needs[1]:
        grad_weight = (r * (g * (wide - channels(mean, x))).sum(axes)).to(weight.dtype)
    if needs[2]:
        grad_bias = g.sum(axes).to(bias.dtype)
    return grad_x, grad_weight, grad_bias


def tangent_of_evaluation(x_dot, weight_dot, bias_dot, x, mean, v, weight, eps):
    """The direction of y where μ and v are constants, in at least float32."""
    wide_dot, wide, mean, v, wide_weight = widen(x_dot, x, mean, v, weight)
    r = (v + eps).rsqrt()
    y_dot = wide_dot * channels(r if weight is None else r * wide_weight, x)
    if weight_dot is not None:
        y_dot = y_dot + (wide - channels(mean, x)) * channels(r * weight_dot, x)
    if bias_dot is not None:
        y_dot = y_dot + channels(bias_dot, x)
    return y_dot


def materialised(directions: tuple[Tensor | None, ...], like: tuple[Tensor, ...]) -> list[Tensor]:
    """Zeros for those that are not given."""
    return [torch.zeros_like(t) if d is None else d for d, t in zip(directions, like, strict=True)]


def axes_of(x: Tensor) -> list[int]:
    """All but the channel."""
    return [0, *range(2, x.dim())]


def count(x: Tensor) -> int:
    """The number of elements of a channel; 1 where there is none, so that an empty sum divides to 0."""
    return max(1, x.shape[0] * x.shape[2:].numel())


def channels(t: Tensor, x: Tensor) -> Tensor:
    """One number a channel, in the form that broadcasts over x."""
    return t.reshape(1, x.shape[1], *[1] * (x.dim() - 2))


def normalise(x, mean, v, weight, bias, eps) -> Tensor:
    if x.numel() == 0:
        return torch.empty_like(x)
    # Of half precision throughout PyTorch's kernel computes in float32 by itself.
    if mean.dtype not in HALF:
        mean, v, weight, bias = widen(mean, v, weight, bias)
    return torch.batch_norm(x, weight, bias, mean, v, False, 0.0, eps, False)

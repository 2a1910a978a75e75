"""Exercise 10: batch normalisation (row S30 of the lecture; Ioffe and Szegedy 2015).

    μ = Σ x_n / N        v = Σ (x_n - μ)² / N        x̂_n = (x_n - μ) / √(v + ε)        y_n = w x̂_n + b

for every channel alone; the sums run over the N examples of the batch.

Shapes: x (N, channels), weight (w) and bias (b) (channels), eps (ε) a Python number, y the shape of x.
Kinks: none.
"""

import torch


def normalised(x, eps):
    """x̂, of the shape of x, and 1 / √(v + ε), of the shape (channels)."""
    r = (x.var(0, correction=0) + eps).rsqrt()
    return (x - x.mean(0)) * r, r


class BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(x, weight, bias, eps):
        return normalised(x, eps)[0] * weight + bias

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, ctx.eps = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad_out):
        """From grad_out = ∂L/∂y, (N, channels), to ∂L/∂x, ∂L/∂w and ∂L/∂b, each of its argument's shape, and None."""
        x, weight = ctx.saved_tensors
        eps = ctx.eps
        x_hat, r = normalised(x, eps)
        grad_weight = (grad_out * x_hat).sum(0)
        grad_bias = grad_out.sum(0)
        grad_x = weight * r * (grad_out - grad_bias / len(x) - x_hat * grad_weight / len(x))
        return grad_x, grad_weight, grad_bias, None

"""A loss of one's own (S36): log cosh, which is ½ e² near 0 and |e| - log 2 far from it."""

import math

import torch
from torch import Tensor

from manualnet.functional._function import Function, save


class LogCosh(Function):
    """L = Σ log cosh(y - t), computed as |e| + log(1 + e^(-2|e|)) - log 2 with e = y - t, which cannot overflow.

    ∂L/∂y = tanh(y - t) and ∂L/∂t = -tanh(y - t), each summed over the copies where one of the two was stretched.
    """

    @staticmethod
    def forward(y, t):
        size = (y - t).abs()
        return (size + torch.log1p(torch.exp(-2 * size)) - math.log(2)).sum()

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx, grad_out):
        y, t = ctx.saved_tensors
        slope = grad_out * torch.tanh(y - t)
        grad_y = slope.sum_to_size(y.shape) if ctx.needs_input_grad[0] else None
        grad_t = slope.neg().sum_to_size(t.shape) if ctx.needs_input_grad[1] else None
        return grad_y, grad_t

    @staticmethod
    def jvp(ctx, y_dot, t_dot):
        y, t = ctx.saved_tensors
        return (torch.tanh(y - t) * (y_dot - t_dot)).sum()


def log_cosh(y: Tensor, t: Tensor) -> Tensor:
    """Σ log cosh(y - t) of two tensors that broadcast.

    >>> y = torch.tensor([1.0, 1000.0], requires_grad=True)
    >>> loss = log_cosh(y, torch.zeros(2))
    >>> loss.backward()
    >>> loss.item(), y.grad
    (999.7406005859375, tensor([0.7616, 1.0000]))
    """
    return LogCosh.apply(y, t)

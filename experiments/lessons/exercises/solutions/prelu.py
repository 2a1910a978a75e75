"""Exercise 5: PReLU, a leaky ReLU that learns its slope (row S10 of the lecture).

    y = x where x > 0, else a x, for every element alone

Shapes: x any, a a single number (shape ()), y the shape of x. One a serves all elements.
Kink: x = 0 belongs to the second case, so the slope there is a.
"""

import torch


class PReLU(torch.autograd.Function):
    @staticmethod
    def forward(x, a):
        return torch.where(x > 0, x, a * x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_out):
        """From grad_out = ∂L/∂y, of the shape of y, to ∂L/∂x, of the shape of x, and ∂L/∂a, a single number."""
        x, a = ctx.saved_tensors
        grad_x = torch.where(x > 0, grad_out, a * grad_out)
        grad_a = torch.where(x > 0, 0, x * grad_out).sum()
        return grad_x, grad_a

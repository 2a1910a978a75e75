"""Exercise 1: sigmoid (row S4 of the lecture).

    y = 1 / (1 + e^-x), for every element alone

Shapes: x any, y the shape of x.
Kinks: none.
Large numbers: y is just 0 at x = -1000 and just 1 at x = 1000; the gradient there is 0, not NaN.
"""

import torch


class Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_out):
        """From grad_out = ∂L/∂y, of the shape of y, to ∂L/∂x, of the shape of x."""
        (y,) = ctx.saved_tensors
        return grad_out * y * (1 - y)

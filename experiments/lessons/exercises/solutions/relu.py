"""Exercise 3: ReLU (row S8 of the lecture).

    y = x where x > 0, else 0, for every element alone

Shapes: x any, y the shape of x.
Kink: at x = 0 the slope is 0, as in PyTorch.
"""

import torch


class ReLU(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return torch.relu(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_out):
        """From grad_out = ∂L/∂y, of the shape of y, to ∂L/∂x, of the shape of x."""
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, grad_out, 0)

"""Exercise 6: the linear layer (rows S1 and S50 of the lecture).

    y_nj = Σ_i w_ji x_ni + b_j, or Y = X Wᵀ + b: one row an example, one column a unit

Shapes: x (N, in), weight (w) (out, in), bias (b) (out), y (N, out). The batch may be empty, N = 0.
Kinks: none.
"""

import torch


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(x, weight, bias):
        return x @ weight.t() + bias

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad_out):
        """From grad_out = ∂L/∂y, (N, out), to ∂L/∂x, ∂L/∂w and ∂L/∂b, each of the shape of its argument."""
        x, weight = ctx.saved_tensors
        grad_x = grad_out @ weight
        grad_weight = grad_out.t() @ x
        grad_bias = grad_out.sum(0)
        return grad_x, grad_weight, grad_bias

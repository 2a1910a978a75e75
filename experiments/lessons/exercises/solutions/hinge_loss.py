"""Exercise 8: the hinge loss (rows S24 to S26 of the lecture).

    L_i = Σ_{j≠y_i} max(0, s_ij - s_iy_i + 1)        L = (L_1 + … + L_N) / N

Shapes: scores (s) (N, classes), target (y) (N) of class indices, L a single number.
Kink: a margin that is met exactly, s_ij - s_iy_i + 1 = 0, costs nothing and has the slope 0.
"""

import torch


def violations(scores, target):
    """max(0, s_ij - s_iy_i + 1) for j ≠ y_i, 0 for j = y_i: of the shape of the scores."""
    y = target.unsqueeze(1)
    return (scores - scores.gather(1, y) + 1).clamp(min=0).scatter(1, y, 0)


class HingeLoss(torch.autograd.Function):
    @staticmethod
    def forward(scores, target):
        return violations(scores, target).sum(1).mean()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_out):
        """From grad_out = ∂L'/∂L, a single number, to the gradient of the scores, and None for the target."""
        scores, target = ctx.saved_tensors
        slope = (violations(scores, target) > 0).to(scores.dtype)
        slope = slope.scatter(1, target.unsqueeze(1), -slope.sum(1, keepdim=True))
        return grad_out * slope / len(scores), None

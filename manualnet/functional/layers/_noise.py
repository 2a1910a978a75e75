"""What dropout and stochastic depth share: multiplying by a drawn tensor."""

from torch import Tensor

from manualnet.functional._function import Function, save


class MultiplyNoise(Function):
    """y = x n, where n was drawn before and is a constant; it broadcasts to x's shape.

    The slope of y along x is n, elementwise, so

        ∂L/∂x = n ∂L/∂y

    Saved: n. There is no kink. The draw lies outside, so that the same n serves every derivative.
    """

    @staticmethod
    def forward(x, noise):
        return x * noise

    @staticmethod
    def setup_context(ctx, inputs, output):
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx, grad_out):
        (noise,) = ctx.saved_tensors
        return grad_out * noise, None

    @staticmethod
    def jvp(ctx, x_dot, _):
        (noise,) = ctx.saved_tensors
        return x_dot * noise


def scaled_mask(noise: Tensor, p: float) -> Tensor:
    """``noise`` filled with 0 (probability p) and 1 / (1 - p), so that its mean is 1; p = 1 gives 0."""
    return noise.zero_() if p == 1 else noise.bernoulli_(1 - p).div_(1 - p)

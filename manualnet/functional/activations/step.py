"""Step: a unit that fires over a threshold."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional._fused import fused


@fused("x > 0 ? 1 : 0")
def _beyond(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


class Step(Function):
    """y = 1 where x > 0, else 0, elementwise.

    y is constant on both sides of the jump, so ∂L/∂x = 0 wherever there is a derivative; at the jump itself, where
    there is none, 0 by convention. Descent along this gradient moves nothing: what lies below cannot be trained.

    Saved: nothing. NaN is not > 0 and gives 0.
    """

    @staticmethod
    def forward(x):
        return _beyond(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_out):
        return torch.zeros_like(grad_out)

    jvp = backward


def step(x: Tensor) -> Tensor:
    """Fire or not: y = 1 for x > 0, else 0, with dy/dx = 0 everywhere.

    The result stays connected to ``x``: its gradient exists and is 0.

    Args:
        x: any shape and real type.

    Returns:
        A tensor of the shape and type of ``x``.

    Raises:
        NotImplementedError: ``x`` is complex.

    Source: S15.

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> y = step(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([0., 0., 1.], grad_fn=<StepBackward>), tensor([0., 0., 0.]))
    """
    refuse_complex("step", x)
    return Step.apply(x)

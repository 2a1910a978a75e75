"""Log-softmax: x_k - log Σ e^x_j."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.activations._implicit_dim import implicit_dim
from manualnet.native import softmax as native


class LogSoftmax(Function):
    """y_k = log p_k = x_k - log Σ_j e^x_j along one axis.

    The logarithm of the sum has the derivative e^x_k / Σ_j e^x_j = p_k = e^y_k, so ∂y_j/∂x_k = δ_jk - p_k. The
    Jacobian is not symmetric: a cotangent is summed over the outputs j, a tangent over the inputs k:

        ∂L/∂x_k = ∂L/∂y_k - p_k Σ_j ∂L/∂y_j        dy_j = dx_j - Σ_k p_k dx_k

    Saved: y alone. There is no kink. The forward pass subtracts the largest score first, so that nothing overflows,
    and takes no logarithm of a p that has become 0.
    """

    @staticmethod
    def forward(x, dim):
        return x.log_softmax(dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.dim = inputs
        save(ctx, output)

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        compiled = native.log_softmax_backward(grad_out, y, ctx.dim) if plain(grad_out, y) else None
        if compiled is not None:
            return compiled, None
        wide_grad, y = widen(grad_out, y)
        return (wide_grad - y.exp() * wide_grad.sum(ctx.dim, keepdim=True)).to(grad_out.dtype), None

    @staticmethod
    def jvp(ctx, grad_x, _):
        wide_grad, y = widen(grad_x, *ctx.saved_tensors)
        return (wide_grad - (y.exp() * wide_grad).sum(ctx.dim, keepdim=True)).to(grad_x.dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """The logarithm of softmax along one axis: y_k = x_k - log Σ_j e^x_j, with ∂y_j/∂x_k = δ_jk - p_k.

    Args:
        input: scores of any shape, floating.
        dim: the axis along which the probabilities sum to 1. None chooses one as PyTorch does, with its warning.
        _stacklevel: which caller that warning names.
        dtype: cast ``input`` to this type first.

    Returns:
        A tensor of the shape of ``input``.

    Raises:
        IndexError: ``input`` has no axis ``dim``.
        NotImplementedError: ``input`` is complex, integer or bool.

    Source: S33. Signature and behaviour: ``torch.nn.functional.log_softmax``.

    >>> import torch
    >>> scores = torch.tensor([3.2, 5.1, -1.7], requires_grad=True)
    >>> loss = -log_softmax(scores, dim=0)[0]
    >>> loss.backward()
    >>> round(loss.item(), 6), scores.grad
    (2.040355, tensor([-0.8700,  0.8690,  0.0010]))
    """
    refuse_complex("log_softmax", input)
    if dim is None:
        dim = implicit_dim("log_softmax", input.dim(), _stacklevel)
    (x,) = autocast("log_softmax", input) if dtype is None else (input.to(dtype),)
    return LogSoftmax.apply(x, dim)

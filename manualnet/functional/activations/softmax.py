"""Softmax: e^x_k / Σ e^x_j."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.activations._implicit_dim import implicit_dim
from manualnet.native import softmax as native


def _times_jacobian(grad: Tensor, p: Tensor, dim: int) -> Tensor:
    compiled = native.softmax_backward(grad, p, dim) if plain(grad, p) else None
    if compiled is not None:
        return compiled
    wide_grad, wide_p = widen(grad, p)
    mean = (wide_grad * wide_p).sum(dim, keepdim=True)
    return (wide_p * (wide_grad - mean)).to(grad.dtype)


class Softmax(Function):
    """p_k = e^x_k / Σ_j e^x_j along one axis.

    By the quotient rule ∂p_j/∂x_k = p_j (δ_jk - p_k): every output depends on every input. Summed over the outputs,

        ∂L/∂x_k = Σ_j ∂L/∂p_j · p_j (δ_jk - p_k) = p_k (∂L/∂p_k - Σ_j ∂L/∂p_j p_j)

    The sum is the mean of the cotangents under p: shifting all scores alike changes nothing. The Jacobian is
    symmetric, so a tangent takes the same way.

    Saved: p alone. There is no kink. The forward pass subtracts the largest score first, so that nothing overflows.
    """

    @staticmethod
    def forward(x, dim):
        return x.softmax(dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.dim = inputs
        save(ctx, output)

    @staticmethod
    def backward(ctx, grad_out):
        (p,) = ctx.saved_tensors
        return _times_jacobian(grad_out, p, ctx.dim), None

    @staticmethod
    def jvp(ctx, grad_x, _):
        (p,) = ctx.saved_tensors
        return _times_jacobian(grad_x, p, ctx.dim)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """Make scores a distribution along one axis: p_k = e^x_k / Σ_j e^x_j, with ∂p_j/∂x_k = p_j (δ_jk - p_k).

    Args:
        input: scores of any shape, floating.
        dim: the axis along which the result sums to 1. None chooses one as PyTorch does, with its warning.
        _stacklevel: which caller that warning names.
        dtype: cast ``input`` to this type first.

    Returns:
        A tensor of the shape of ``input``.

    Raises:
        IndexError: ``input`` has no axis ``dim``.
        NotImplementedError: ``input`` is complex, integer or bool.

    Source: S5. Signature and behaviour: ``torch.nn.functional.softmax``.

    >>> import torch
    >>> scores = torch.tensor([3.2, 5.1, -1.7], requires_grad=True)
    >>> p = softmax(scores, dim=0)
    >>> p[0].backward()
    >>> p, scores.grad
    (tensor([0.1300, 0.8690, 0.0010], grad_fn=<SoftmaxBackward>), tensor([ 0.1131, -0.1130, -0.0001]))
    """
    refuse_complex("softmax", input)
    if dim is None:
        dim = implicit_dim("softmax", input.dim(), _stacklevel)
    (x,) = autocast("softmax", input) if dtype is None else (input.to(dtype),)
    return Softmax.apply(x, dim)

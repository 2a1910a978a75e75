"""Maxout: the largest of several affine maps."""

import torch
from torch import Tensor

from manualnet.functional import _multiply as multiply
from manualnet.functional._dtypes import autocast
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional.arithmetic._operands import gradient, like


def _pieces(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (..., in) -> all affine maps (..., pieces, out), by one matrix product."""
    pieces, out, features = weight.shape
    # reshape where flatten would do, because the batching of forward-mode tangents knows no flatten.
    z = multiply.linear(x, weight.reshape(pieces * out, features), None if bias is None else bias.reshape(pieces * out))
    return z.reshape(*x.shape[:-1], pieces, out)


class Maxout(Function):
    """y_o = max over p of z_po, z_po = Σ_i w_poi x_i + b_po.

    Let q(o) be the piece that wins. Moved a little, x, w and b leave it the winner, so y_o = z_qo: the cotangent goes
    to that piece whole, and from there on this is a linear layer with pieces × out units:

        ∂L/∂z_po = ∂L/∂y_o where p = q(o), else 0
        ∂L/∂x_i = Σ_po ∂L/∂z_po w_poi        ∂L/∂w_poi = Σ_batch ∂L/∂z_po x_i        ∂L/∂b_po = Σ_batch ∂L/∂z_po

    Saved: x, w and q, a byte an output. At a tie the first piece wins and takes it all, once.
    """

    @staticmethod
    def forward(x, weight, bias):
        y, winner = _pieces(x, weight, bias).max(-2)
        return y, winner.to(torch.uint8) if len(weight) <= 256 else winner

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias = inputs
        _, winner = output
        ctx.bias = like(bias)
        save(ctx, x, weight, winner)

    @staticmethod
    def backward(ctx, grad_out, _):
        x, weight, winner = ctx.saved_tensors
        (pieces, out, features), batch = weight.shape, x.shape[:-1].numel()
        index = torch.arange(pieces, device=winner.device, dtype=winner.dtype).unsqueeze(1)
        grad_z = torch.where(winner.unsqueeze(-2) == index, grad_out.unsqueeze(-2), 0)
        # From here on a linear layer, whose parameters sum over whatever batch axes there are.
        grad_z = grad_z.reshape(batch, pieces * out)
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = multiply.matmul(grad_z, weight.reshape(pieces * out, features)).reshape(x.shape)
        if ctx.needs_input_grad[1]:
            grad_weight = multiply.matmul(grad_z.mT, x.reshape(batch, features)).reshape(weight.shape)
        if ctx.needs_input_grad[2]:
            grad_bias = gradient(grad_z.reshape(batch, pieces, out), ctx.bias)
        return grad_x, grad_weight, grad_bias

    @staticmethod
    def jvp(ctx, grad_x, grad_weight, grad_bias):
        x, weight, winner = ctx.saved_tensors
        grad_z = _pieces(grad_x, weight, grad_bias) + _pieces(x, grad_weight, None)
        return grad_z.gather(-2, winner.unsqueeze(-2).long()).squeeze(-2), None


def maxout(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The largest of several affine maps, unit by unit: y = max over pieces p of x wₚᵀ + bₚ.

    The gradient is that of the piece that wins; at a tie, of the first of them. A piece of zeros makes it ReLU, and
    w₁ = 0.1 w₂ leaky ReLU.

    Args:
        x: (..., in).
        weight: (pieces, out, in).
        bias: (pieces, out), or None for none.

    Returns:
        A tensor of shape (..., out).

    Raises:
        ValueError: the shapes do not fit together, or there is no piece.
        RuntimeError: the types differ.
        NotImplementedError: a tensor is complex.

    Source: S11; Goodfellow et al. 2013, arXiv:1302.4389.

    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> weight = torch.tensor([[[0.0, 0.0]], [[3.0, -1.0]]])
    >>> y = maxout(x, weight)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([[1.]], grad_fn=<MaxoutBackward>), tensor([[ 3., -1.]]))
    """
    refuse_complex("maxout", x, weight, bias)
    if x.dim() < 1 or weight.dim() != 3 or len(weight) < 1 or x.shape[-1] != weight.shape[2]:
        raise ValueError(
            "maxout: x must be (..., in) and weight (pieces, out, in) with a piece at least, "
            f"but x {tuple(x.shape)} and weight {tuple(weight.shape)} came"
        )
    if bias is not None and bias.shape != weight.shape[:2]:
        raise ValueError(
            f"maxout: bias must be (pieces, out) = {tuple(weight.shape[:2])}, but {tuple(bias.shape)} came"
        )
    return Maxout.apply(*autocast("maxout", x, weight, bias))[0]

"""GELU: x Φ(x), with Φ the distribution function of the normal distribution."""

import math

import torch
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional._fused import fused

# Of the approximation u = k (x + c x³).
_K, _C = math.sqrt(2 / math.pi), 0.044715


@fused("g * gelu_slope(x)", "exp.h", "gelu.h")
def times_slope(g: Tensor, x: Tensor) -> Tensor:
    wide_g, x = widen(g, x)
    phi = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    # Not 1 + erf, which loses the digits of a small Φ.
    return (wide_g * (0.5 * torch.erfc(-x / math.sqrt(2)) + x * phi)).to(g.dtype)


@fused("g * gelu_tanh_slope(x)", "exp.h", "gelu.h")
def _times_approximate_slope(g: Tensor, x: Tensor) -> Tensor:
    wide_g, x = widen(g, x)
    x2 = x * x
    t = torch.tanh(_K * x * (1 + _C * x2))
    return (wide_g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _K * (1 + 3 * _C * x2))).to(g.dtype)


_RULES = {"none": times_slope, "tanh": _times_approximate_slope}


class GELU(Function):
    """y = x Φ(x), with Φ(x) = ½ (1 + erf(x/√2)), elementwise.

    Φ' = φ, the density φ(x) = e^(-x²/2) / √(2π), so by the product rule

        ∂L/∂x = ∂L/∂y · (Φ(x) + x φ(x))

    The approximation replaces Φ(x) by ½ (1 + t), t = tanh u, u = k (x + c x³), k = √(2/π), c = 0.044715. With
    dt/du = 1 - t² and du/dx = k (1 + 3 c x²),

        ∂L/∂x = ∂L/∂y · (½ (1 + t) + ½ x (1 - t²) k (1 + 3 c x²))

    Saved: x alone; y does not determine it, because GELU falls before it rises. In half precision x³ would overflow
    and meet 1 - t² = 0, so the slope is computed in float32.
    """

    @staticmethod
    def forward(x, approximate):
        return torch.nn.functional.gelu(x, approximate=approximate)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.approximate = inputs
        save(ctx, x)

    @staticmethod
    def backward(ctx, grad_out):
        return _RULES[ctx.approximate](grad_out, *ctx.saved_tensors), None

    @staticmethod
    def jvp(ctx, grad_x, _):
        return _RULES[ctx.approximate](grad_x, *ctx.saved_tensors)


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """Weigh every element by the probability that a normal number is smaller: y = xΦ(x), dy/dx = Φ(x) + xφ(x).

    Args:
        input: any shape, floating.
        approximate: "none" for Φ itself, "tanh" for ½(1 + tanh(√(2/π)(x + 0.044715x³))) in its place.

    Returns:
        A tensor of the shape and type of ``input``.

    Raises:
        RuntimeError: ``approximate`` is neither "none" nor "tanh".
        NotImplementedError: ``input`` is complex, integer or bool.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415. Signature and behaviour: ``torch.nn.functional.gelu``.

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    >>> y = gelu(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([-0.1587,  0.0000,  0.8413], grad_fn=<GELUBackward>), tensor([-0.0833,  0.5000,  1.0833]))
    """
    refuse_complex("gelu", input)
    return GELU.apply(input, approximate)

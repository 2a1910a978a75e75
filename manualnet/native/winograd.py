"""Convolutions with a kernel of 3 × 3, of stride 1 in one group, by Winograd's minimal filtering, in ``winograd.c``.

m outputs of 3 taps are the coefficients of a product of polynomials, which m + 2 of its values tell: in two dimensions
(m + 2)² products take the place of 9 m². Rounding errors grow with m: of 256 channels about 1.5, 2.8 and 4.9 times the
plain sum's for m of 2, 3 and 4. So the larger tiles wait for ``torch.set_float32_matmul_precision("high")``, unless
the result is rounded to bfloat16 anyway.

Source: Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray, "Fast Algorithms for Convolutional
Neural Networks" (2015). Points other than whole numbers keep the error small (Barabasz and others, 2018); these had
the smallest of those tried.
"""

from fractions import Fraction
from functools import cache
from math import prod

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, dense, fits, multiplies_bfloat16, numbers
from manualnet.native.pixels import channels_last, planes
from manualnet.native.taps import Taps

# By the side of a tile of outputs, in eighths; infinity is a point of each, too.
_POINTS = {2: (0, 8, -8), 3: (3, -3, 10, -10), 4: (0, 5, -5, 12, -12)}
# Products, pixels, and channels in and out from which on it is faster than the plain sum: each kernel is transformed
# once. A weight gradient, and planes whose channels are laid innermost and back, need more channels.
_WORTH, _PIXELS = 1 << 25, 1 << 10
_CHANNELS, _MANY = 24, 64

Matrix = list[list[Fraction]]


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, padding) -> Tensor | None:
    """Σ_c Σ_k w[o,c,k] x[n,c,p+k−pad] + b[o]; None where another way must be gone.

    Shapes: x (N, C, H, W), weight (O, C, 3, 3), bias (O), the result (N, O, H', W').
    """
    if not suits(x, weight.shape, padding):
        return None
    y = _convolved(x, Taps.of(weight), bias, padding) if weight.is_cpu else None
    return y if y is None or _innermost(x) or _innermost(weight) else planes(y)


def conv2d_input(grad_out: Tensor, weight: Tensor, padding) -> Tensor | None:
    """Σ_o Σ_k w[o,c,k] g[n,o,q+pad−k]: a convolution that sees the kernel turned round, from the other side."""
    o, c, *kernel = weight.shape
    border = [2 - p for p in padding]
    if not suits(grad_out, (c, o, *kernel), border):
        return None
    grad = _convolved(grad_out, Taps.turned(weight), None, border)
    return grad if grad is None or _innermost(grad_out) else planes(grad)


def _convolved(x: Tensor, taps: Taps, bias: Tensor | None, padding) -> Tensor | None:
    if taps.dtype is not x.dtype or not taps.bear(bias):
        return None
    n, c, h, w = x.shape
    o, oh, ow = taps.shape[0], h + 2 * padding[0] - 2, w + 2 * padding[1] - 2
    kernel = _kernel("winograd", x.dtype, oh, ow)
    if kernel is None:
        return None
    y = torch.empty(n, oh, ow, o, dtype=x.dtype)
    shape = numbers(n, c, h, w, o, oh, ow, *padding)
    strides = numbers(*taps.strides)
    failed = call(kernel, channels_last(x), taps.address, dense(bias), y, shape, strides, torch.get_num_threads())
    return None if failed else y.permute(0, 3, 1, 2)


def conv2d_weight(grad_out: Tensor, x: Tensor, weight_shape, padding) -> Tensor | None:
    """Σ_n Σ_p g[n,o,p] x[n,c,p+k−pad], of shape (O, C, 3, 3); None where another way must be gone."""
    if not suits(x, weight_shape, padding, many=True):
        return None
    n, c, h, w = x.shape
    o, oh, ow = grad_out.shape[1:]
    kernel = _kernel("winograd_weight", x.dtype, oh, ow)
    if kernel is None:
        return None
    grad = torch.empty(o, 3, 3, c, dtype=x.dtype)
    shape = numbers(n, c, h, w, o, oh, ow, *padding)
    if call(kernel, channels_last(x), channels_last(grad_out), grad, shape, torch.get_num_threads()):
        return None
    return grad.permute(0, 3, 1, 2)


def suits(x: Tensor, weight_shape, padding, many: bool = False) -> bool:
    """Whether it is a convolution that is compiled, and large enough to gain by it; ``many``: only of many channels."""
    o, c, *kernel = weight_shape
    if x.numel() * o * 9 < _WORTH or x.numel() < c * _PIXELS:
        return False
    return (
        fits(x)
        # Where the processor multiplies in bfloat16, PyTorch's own kernels do so.
        and (x.dtype is torch.float32 or not multiplies_bfloat16())
        and x.dim() == 4
        and c == x.shape[1]
        and kernel == [3, 3]
        and c % 8 == o % 8 == 0
        and all(0 <= p <= 2 and n + 2 * p > 2 for p, n in zip(padding, x.shape[2:], strict=True))
        and (_innermost(x) or x.is_contiguous())
        and min(c, o) >= (_CHANNELS if _innermost(x) and not many else _MANY)
    )


def _innermost(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


def _kernel(name: str, dtype: torch.dtype, height: int, width: int):
    """The function for the tiles that cover so many outputs with the fewest products, of those that are allowed."""
    exact = dtype is torch.float32 and torch.get_float32_matmul_precision() == "highest"
    m = min([2] if exact else _POINTS, key=lambda m: -(-height // m) * -(-width // m) * (m + 2) ** 2)
    return getattr(load("numbers.h", "vectors.h", "winograd.c", head=_head(m, dtype)), name, None)


@cache
def _head(m: int, dtype: torch.dtype) -> str:
    matrices = zip("AGB", transforms([Fraction(p, 8) for p in _POINTS[m]], m), strict=True)
    kind = f"#define HALF {int(dtype is torch.bfloat16)}\n#define number {NAMES[dtype]}\n"
    return f"enum {{ M = {m}, N = {m + 2} }};\n{kind}" + "".join(_constant(*named) for named in matrices)


def transforms(points: list[Fraction], m: int, taps: int = 3) -> tuple[Matrix, Matrix, Matrix]:
    """A, G and B for which y = Aᵀ [(G w) · (B d)] are ``m`` outputs of a kernel w over m + 2 inputs d.

    A and G give the values at the points of polynomials with m and ``taps`` coefficients, G's divided by the
    derivatives of ∏ (t − p) there; B's rows are what Lagrange's interpolation multiplies them by, transposed.
    """
    others = [[q for q in points if q != p] for p in points]
    a = [[p**j for j in range(m)] for p in points] + [[Fraction(j == m - 1) for j in range(m)]]
    g = [[p**j / prod(p - q for q in rest) for j in range(taps)] for p, rest in zip(points, others, strict=True)]
    b = [[*_with_roots(rest), Fraction(0)] for rest in others]
    return a, [*g, [Fraction(j == taps - 1) for j in range(taps)]], [*b, _with_roots(points)]


def _with_roots(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients of ∏ (t − root), the constant first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [s - root * c for s, c in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return coefficients


def _constant(name: str, matrix: Matrix) -> str:
    rows = ", ".join("{" + ", ".join(f"{float(x)!r}f" for x in row) + "}" for row in matrix)
    return f"static const float {name}[{len(matrix)}][{len(matrix[0])}] = {{{rows}}};\n"

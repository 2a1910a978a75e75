"""Stochastic pooling (Zeiler & Fergus 2013): of every window, an element drawn in proportion to its size."""

import math

import torch
import torch.nn.functional as torch_F
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function, save
from manualnet.functional.layers._windows import Size2, gather, pair, positions, scatter, stamp
from manualnet.native.windows import Windows


class StochasticPool2dTraining(Function):
    """y[o] = x[i(o)], where the position i(o) was drawn from window o before and is a constant.

    As in max pooling, y[o] moves with x[i(o)] alone, with slope 1:

        ∂L/∂x[j] = Σ_{o: i(o) = j} ∂L/∂y[o]

    Saved: the positions. The draw lies outside, so that the same positions serve every derivative.
    """

    @staticmethod
    def forward(x, position):
        return gather(x, position)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, position = inputs
        ctx.size = x.shape[-2:]
        save(ctx, position)

    @staticmethod
    def backward(ctx, grad_out):
        (position,) = ctx.saved_tensors
        return scatter(grad_out, position, ctx.size), None

    @staticmethod
    def jvp(ctx, x_dot, _):
        (position,) = ctx.saved_tensors
        return gather(x_dot, position)


class StochasticPool2dEvaluation(Function):
    """y = Σ p_k a_k over a window, with a = max(0, x) and p_k = a_k / S, S = Σ a: so y = Σ a² / S.

    By the quotient rule ∂y/∂a_k = (2 a_k S - Σ a²) / S² = (2 a_k - y) / S: an element above y / 2
    raises y, one below lowers it. An element receives from all windows that hold it; with g' = ∂L/∂y / S,

        ∂L/∂x[k] = Σ_{o: k in window o} g'[o] (2 a_k - y[o]) = 2 a_k Σ_o g'[o] - Σ_o g'[o] y[o]

    Below 0 the slope is 0; at 0 it is the one from above, since the domain is x ≥ 0. A window with S = 0 gives 0 and
    a gradient of 0. Saved: x and y; S is one pooling away.
    """

    @staticmethod
    def forward(x, kernel, stride, padding):
        (a,) = widen(x.clamp(min=0))
        return _ratio(_sums(a * a, kernel, stride, padding), _sums(a, kernel, stride, padding)).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *ctx.windows = inputs
        save(ctx, x, output)

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        g, a, y = widen(grad_out, x.clamp(min=0), y)
        g, size = _ratio(g, _sums(a, *ctx.windows)), x.shape[-2:]
        grad_x = 2 * a * stamp(g, size, *ctx.windows) - stamp(g * y, size, *ctx.windows)
        return torch.where(x >= 0, grad_x, 0).to(grad_out.dtype), None, None, None

    @staticmethod
    def jvp(ctx, x_dot, *_):
        x, y = ctx.saved_tensors
        a_dot, a, wide_y = widen(torch.where(x >= 0, x_dot, 0), x.clamp(min=0), y)
        change = 2 * _sums(a * a_dot, *ctx.windows) - wide_y * _sums(a_dot, *ctx.windows)
        return _ratio(change, _sums(a, *ctx.windows)).to(x.dtype)


def _sums(x: Tensor, kernel, stride, padding) -> Tensor:
    return torch_F.avg_pool2d(x, kernel, stride, padding, divisor_override=1)


def _ratio(x: Tensor, s: Tensor) -> Tensor:
    """x / s, and 0 where s is 0; the inner where keeps second derivatives from 0 · ∞. NaN stays NaN."""
    return torch.where(s == 0, 0, x / torch.where(s == 0, 1, s))


def _draw(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]) -> Tensor:
    """For each window the position, in the flattened plane, of one element drawn with probability a_k / Σ a.

    Of independent waiting times with rates a_k, the first to end is k with just that probability (a race), so the
    largest a_k / e_k with e_k standard exponential wins. A window of zeros is a tie, which the first position takes;
    the padding, at -∞, never wins.
    """
    (top, left), (kh, kw) = padding, kernel
    a = torch_F.pad(widen(x)[0].clamp(min=0), (left, left, top, top), value=-math.inf)
    windows = a.unfold(-2, kh, stride[0]).unfold(-2, kw, stride[1])
    *_, rows, columns, _, _ = windows.shape
    windows = windows.reshape(*windows.shape[:-2], kh * kw)
    winner = (windows / torch.empty_like(windows).exponential_()).argmax(-1)
    return positions(winner, Windows(kernel, stride, padding, (rows, columns)), x.shape[-1])


def _check(shape: tuple[int, ...], kernel, stride, padding) -> None:
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            f"stochastic_pool2d: the input must be (N, C, H, W) or (C, H, W), empty at most in N, but is {shape}"
        )
    if not len(kernel) == len(stride) == len(padding) == 2:
        raise RuntimeError(
            "stochastic_pool2d: kernel_size, stride and padding must be a number or two, but are "
            f"{kernel}, {stride} and {padding}"
        )
    for n, k, s, p in zip(shape[-2:], kernel, stride, padding, strict=True):
        if k < 1 or s < 1 or not 0 <= 2 * p <= k <= n + 2 * p:
            raise RuntimeError(
                f"stochastic_pool2d: a kernel of {k}, a stride of {s} and a padding of {p} do not fit {n} rows or "
                "columns: the first two must be at least 1, the padding at most half the kernel, and the kernel not "
                "larger than the padded input"
            )


def stochastic_pool2d(
    input: Tensor, kernel_size: Size2, stride: Size2 | None = None, padding: Size2 = 0, training: bool = True
) -> Tensor:
    """Of every window an element drawn with probability a / Σ a; in evaluation the mean Σ a² / Σ a of that draw.

    Args:
        input: (N, C, H, W) or (C, H, W), not negative; a negative element counts as 0.
        kernel_size: of the window, one number or (height, width).
        stride: step from window to window; the kernel size if None.
        padding: rows and columns on every side that are never drawn, at most half a window.
        training: draw; a window of zeros gives its first element.

    Returns:
        (N, C, H', W') or (C, H', W') with H' = ⌊(H + 2 padding - kernel) / stride⌋ + 1.

    Raises:
        RuntimeError: the settings do not fit each other or the input.
        NotImplementedError: ``input`` is complex or not floating.

    Source: S30; Zeiler & Fergus 2013, arXiv 1301.3557. PyTorch has no such function.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 3.0]]], requires_grad=True)
    >>> y = stochastic_pool2d(x, (1, 2), training=False)
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([[[2.5000]]]), tensor([[[-0.1250,  0.8750]]]))
    """
    refuse_complex("stochastic_pool2d", input)
    if not input.is_floating_point():
        raise NotImplementedError(f"stochastic_pool2d: the input must be floating, but is {input.dtype}")
    kernel = pair(kernel_size)
    windows = kernel, pair(stride) or kernel, pair(padding)
    _check(tuple(input.shape), *windows)
    if not training:
        return StochasticPool2dEvaluation.apply(input, *windows)
    return StochasticPool2dTraining.apply(input, _draw(input.detach(), *windows))

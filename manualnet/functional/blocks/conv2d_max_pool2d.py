"""Convolution and max pooling after it, as one operation."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from manualnet.functional._function import Function, save_factors
from manualnet.functional._plain import plain
from manualnet.functional.layers import _conv2d_fast as fast_paths
from manualnet.functional.layers._windows import Size2, gather, pair
from manualnet.functional.layers.conv2d import (
    Conv2d,
    bias_gradient,
    input_gradient,
    out_size,
    prepared,
    tangent,
    weight_gradient,
)
from manualnet.functional.layers.max_pool2d import MaxPool2d, unpool, windows_of
from manualnet.native import conv2d_weight
from manualnet.native.windows import Windows


class Conv2dMaxPool2d(Function):
    """y[n,o,p] = z[n,o,i(p)], with z = conv2d(x, w, b) and i(p) the position of the largest z of window p.

    Max pooling sends each cotangent back to the position that its output came from, and convolution's rule goes on
    from there: with

        ∂L/∂z[n,o,q] = Σ_{p: i(p) = q} ∂L/∂y[n,o,p]

    ∂L/∂x and ∂L/∂w follow from ∂L/∂z as in :class:`Conv2d`, and ∂L/∂b[o] = Σ_n Σ_p ∂L/∂y[n,o,p], because every
    cotangent of y is at one place of ∂L/∂z.

    Saved: the positions, x where w's gradient is wanted and w where x's is. z, four times as large as y where windows
    are 2 × 2, is neither saved nor, where it is compiled, ever in memory; nor is ∂L/∂z.
    """

    @staticmethod
    def forward(x, weight, bias, *settings):
        *geometry, window = settings
        fast = fast_paths.forward_pooled(x, weight, bias, *geometry) if window == (2, 2) else None
        if fast is not None:
            return fast
        return MaxPool2d.forward(Conv2d.forward(x, weight, bias, *geometry), window, None, 0, 1, False, False)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, *ctx.geometry, window = inputs
        ctx.x_shape, ctx.weight_shape = x.shape, weight.shape
        ctx.size, ctx.windows = _pooled(x.shape, weight.shape, *ctx.geometry[:3], window)
        save_factors(ctx, x, weight, output[1])

    @staticmethod
    def backward(ctx, grad_out, _):
        x, weight, position = ctx.saved_tensors
        need_x, need_weight, need_bias, *_ = ctx.needs_input_grad
        grad_x, grad_weight = None, None
        fast = plain(grad_out, x, weight)
        if fast and fast_paths.tiled(grad_out) and _as_bytes(position, ctx.windows):
            settings = *ctx.geometry, (position, ctx.size)
            grad_x = fast_paths.grad_x_pooled(grad_out, weight, *settings) if need_x else None
            grad_weight = conv2d_weight.conv2d_weight(grad_out, x, ctx.weight_shape, *settings) if need_weight else None
        left = need_x and grad_x is None, need_weight and grad_weight is None
        if any(left):
            grad_z = unpool(grad_out, position, ctx.size, ctx.windows)
            if left[0]:
                grad_x = input_gradient(fast, grad_z, weight, ctx.x_shape, *ctx.geometry)
            if left[1]:
                grad_weight = weight_gradient(fast, grad_z, x, ctx.weight_shape, *ctx.geometry)
        grad_bias = bias_gradient(fast, grad_out) if need_bias else None
        return grad_x, grad_weight, grad_bias, None, None, None, None, None

    @staticmethod
    def jvp(ctx, x_t, weight_t, bias_t, *_):
        x, weight, position = ctx.saved_tensors
        return gather(tangent(x, weight, x_t, weight_t, bias_t, ctx.geometry), position), None


def _pooled(*settings) -> tuple[torch.Size, Windows | None]:
    """The height and width of z, and its windows."""
    try:
        return _once(*settings)
    except TypeError:  # a size that is a symbol has no hash
        return _once.__wrapped__(*settings)


@lru_cache
def _once(x_shape, weight_shape, stride, padding, dilation, window) -> tuple[torch.Size, Windows | None]:
    sides = zip(x_shape[2:], weight_shape[2:], stride, padding, dilation, strict=True)
    size = torch.Size(out_size(*side) for side in sides)
    return size, windows_of((*x_shape[:2], *size), window, None, 0, 1, False)


def _as_bytes(position, windows) -> bool:
    """Whether positions are places in windows of 2 × 2, channels innermost."""
    innermost = position.dtype == torch.uint8 and position.is_contiguous(memory_format=torch.channels_last)
    return innermost and windows.kernel == (2, 2)


def conv2d_max_pool2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    pool_size: Size2 = 2,
) -> Tensor:
    """max_pool2d(conv2d(input, …), pool_size), without what lies between them.

    ∂L/∂y goes to the largest place of each window, at a tie to the first, and from there to input and weight by the
    rule of :func:`conv2d`; ∂L/∂bias is the sum of ∂L/∂y over batch and places.

    Args:
        input: (N, C, H, W) or (C, H, W)
        weight: (O, C / groups, kernel height, kernel width)
        bias: (O), or None
        stride, padding, dilation, groups: of the convolution, as in :func:`conv2d`
        pool_size: of the windows, which lie side by side: one number or (height, width)

    Returns:
        (N, O, H', W') or (O, H', W') with as many places as :func:`conv2d` gives whole windows.

    Raises:
        RuntimeError, NotImplementedError: as :func:`conv2d` and :func:`max_pool2d`.

    In bfloat16, on a processor that multiplies tiles of such numbers, kernels of 3 columns with windows of 2 × 2 are
    pooled as they are computed, and so is the way back.

    Source: S15. Equal to PyTorch's two functions, one after the other.

    >>> import torch
    >>> x = torch.tensor([[[[1.0, 2.0, 0.0], [4.0, 3.0, 0.0], [0.0, 0.0, 9.0]]]])
    >>> kernel = torch.tensor([[[[1.0, -1.0]]]], requires_grad=True)
    >>> y = conv2d_max_pool2d(x, kernel)  # of the differences -1, 2, 1 and 3 …
    >>> y.backward()
    >>> y.item(), kernel.grad.flatten()  # … 3 - 0 is the largest
    (3.0, tensor([3., 0.]))
    """
    arguments = prepared("conv2d_max_pool2d", input, weight, bias, stride, padding, dilation)
    y, _ = Conv2dMaxPool2d.apply(*arguments, groups, pair(pool_size))
    return y.squeeze(0) if input.dim() == 3 else y

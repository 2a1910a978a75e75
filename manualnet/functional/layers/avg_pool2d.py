"""Average pooling: the mean of every window."""

import torch
import torch.nn.functional as torch_F
from torch import Tensor

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import refuse_complex
from manualnet.functional._function import Function
from manualnet.functional._plain import plain
from manualnet.functional.layers._windows import Size2, lies_in_planes, pair, spread, stamp
from manualnet.native import windows as native


class AvgPool2d(Function):
    """y[o] = Σ_{i in window o} x[i] / d(o), where d(o) is the divisor of window o.

    Every element of a window has the slope 1/d(o), and an element receives from all windows that hold it:

        ∂L/∂x[i] = Σ_{o: i in window o} ∂L/∂y[o] / d(o)

    So each divided cotangent is stamped over its window and overlapping stamps add up, which is the transposed
    convolution with a kernel of ones. d(o) is the given divisor; else the number of positions in the window, those in
    the padding included or not, but never those that the ceiling let reach beyond the padding.

    The rule is linear in x, so a direction is pooled like x. Saved: nothing. There is no kink.
    """

    @staticmethod
    def forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        return torch_F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *ctx.settings = inputs
        ctx.size, ctx.planes = x.shape[-2:], lies_in_planes(x)

    @staticmethod
    def backward(ctx, grad_out):
        kernel_size, stride, padding, _, count_include_pad, divisor = ctx.settings
        kernel = pair(kernel_size)
        stride = pair(stride) or kernel
        padding = pair(padding)
        filled = all(n == m * k for n, m, k in zip(ctx.size, grad_out.shape[-2:], kernel, strict=True))
        if filled and stride == kernel and padding == (0, 0):
            grad_x = spread(grad_out, kernel, divisor or kernel[0] * kernel[1], planes=ctx.planes)
            return grad_x, None, None, None, None, None, None
        compiled = _compiled(grad_out, ctx.size, kernel, stride, padding, count_include_pad, divisor)
        if compiled is not None:
            return compiled, None, None, None, None, None, None
        (wide,) = widen(grad_out)
        if divisor is None:
            counts = [
                _counts(wide, axis, ctx.size[axis], kernel[axis], stride[axis], padding[axis], count_include_pad)
                for axis in (0, 1)
            ]
            divisor = counts[0].unsqueeze(1) * counts[1]
        grad_x = stamp(wide / divisor, ctx.size, kernel, stride, padding)
        return grad_x.to(grad_out.dtype), None, None, None, None, None, None

    @staticmethod
    def jvp(ctx, x_dot, *_):
        return torch_F.avg_pool2d(x_dot, *ctx.settings)


def _compiled(grad_out, size, kernel, stride, padding, with_padding, divisor) -> Tensor | None:
    if not plain(grad_out):
        return None
    counts = grad_out.shape[-2:]
    axes = zip(counts, size, kernel, stride, padding, strict=True)
    rows, columns = (native.sliding(*axis, with_padding) for axis in axes)
    return native.stamp(grad_out, size, rows, columns, divisor)


def _counts(g: Tensor, axis: int, size: int, kernel: int, stride: int, padding: int, with_padding: bool) -> Tensor:
    """How many positions along an axis each window holds; the divisor is the product of both axes' counts."""
    start = torch.arange(g.shape[axis - 2], device=g.device) * stride - padding
    end = (start + kernel).clamp(max=size + padding)
    if not with_padding:
        start, end = start.clamp(min=0), end.clamp(max=size)
    return end - start


def avg_pool2d(
    input: Tensor,
    kernel_size: Size2,
    stride: Size2 | None = None,
    padding: Size2 = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window; its gradient is shared equally by the elements of the window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of the window, one number or (height, width).
        stride: step from window to window; the kernel size if None.
        padding: rows and columns of zeros on every side, at most half a window.
        ceil_mode: also keep windows that reach over the lower or right border.
        count_include_pad: the padding counts as elements of the mean.
        divisor_override: divide every window's sum by this number.

    Returns:
        (N, C, H', W') or (C, H', W') with H' = ⌊(H + 2 padding - kernel) / stride⌋ + 1.

    Raises:
        RuntimeError: the settings do not fit each other or the input.
        IndexError: ``input`` has less than three axes.
        NotImplementedError: ``input`` is complex or bool.

    Source: S15. Signature and behaviour: ``torch.nn.functional.avg_pool2d``.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 3.0, 5.0]]], requires_grad=True)
    >>> y = avg_pool2d(x, (1, 2), stride=1)
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([[[2., 4.]]]), tensor([[[0.5000, 1.0000, 0.5000]]]))
    """
    refuse_complex("avg_pool2d", input)
    return AvgPool2d.apply(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

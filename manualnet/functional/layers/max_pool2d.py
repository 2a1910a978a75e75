"""Max pooling: the largest element of every window."""

from functools import lru_cache

import torch
import torch.nn.functional as torch_F
from torch import Tensor

from manualnet.functional._errors import need_real
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.layers._windows import Size2, gather, pair, positions, scatter
from manualnet.native import max_pool2d as native
from manualnet.native.call import layout_of
from manualnet.native.windows import Windows


class MaxPool2d(Function):
    """y[o] = x[i(o)], where i(o) is the position of the largest element of window o.

    A small change of x changes y[o] only through x[i(o)], with slope 1. So a cotangent goes back to the position
    that its output came from, and windows that overlap in one maximum add theirs:

        ∂L/∂x[j] = Σ_{o: i(o) = j} ∂L/∂y[o]

    which is a scatter-add, the adjoint of the gather that copies x to y. The positions are an output, saved for that;
    x is not. At a tie the first maximum (row by row) takes it all; NaN counts as larger than every number, and
    padding as smaller.
    """

    @staticmethod
    def forward(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
        if not return_indices and plain(x):
            windows = windows_of(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
            compiled = native.max_pool2d(x, windows) if windows else None
            if compiled is not None:
                return compiled
        return torch_F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *settings, _ = inputs
        ctx.size, ctx.windows = x.shape[-2:], windows_of(x.shape, *settings)
        save(ctx, output[1])

    @staticmethod
    def backward(ctx, grad_out, _):
        (position,) = ctx.saved_tensors
        return unpool(grad_out, position, ctx.size, ctx.windows), None, None, None, None, None, None

    @staticmethod
    def jvp(ctx, x_dot, *_):
        (position,) = ctx.saved_tensors
        return gather(x_dot, position), None


def unpool(grad_out, position, size, windows):
    """∂L/∂x: every cotangent at the position that its output came from."""
    fast, bytes_ = plain(grad_out, position), position.dtype == torch.uint8
    compiled = native.max_pool2d_backward(grad_out, position, size, windows) if bytes_ and fast else None
    if compiled is not None:
        return compiled
    # What is wrapped cannot be asked how it lies.
    innermost = fast and position.dim() == 4 and layout_of(position) is torch.channels_last
    once = windows is not None and all(s >= k for s, k in zip(windows.stride, windows.kernel, strict=True))
    at = positions(position.int(), windows, size[1]) if bytes_ else position
    return scatter(grad_out, at, size, once=once, innermost=innermost)


def windows_of(shape, *settings) -> Windows | None:
    """Where the windows of pictures lie, unless they are dilated or make no sense."""
    try:
        return _windows(shape, *settings)
    except TypeError:  # a list has no hash
        with_hash = [tuple(s) if isinstance(s, list) else s for s in settings]
    try:
        return _windows(shape, *with_hash)
    except TypeError:  # nor has a size that is a symbol: nothing is compiled for it
        return None


@lru_cache(typed=True)
def _windows(shape, kernel_size, stride, padding, dilation, ceil_mode) -> Windows | None:
    kernel, border = pair(kernel_size), pair(padding)
    step = pair(stride) or kernel
    axes = {len(kernel), len(step), len(border)}
    if pair(dilation) != (1, 1) or len(shape) != 4 or axes != {2} or min(step) < 1:
        return None
    sides = zip(shape[2:], kernel, step, border, strict=True)
    return Windows(kernel, step, border, tuple(_places(*side, ceil_mode) for side in sides))


def _places(n: int, kernel: int, step: int, border: int, ceil_mode: bool) -> int:
    """The windows along an axis; with the ceiling one more may reach over the end, but none starts there."""
    over = n + 2 * border - kernel
    count = (-(-over // step) if ceil_mode else over // step) + 1
    return count - 1 if (count - 1) * step >= n + border else count


def max_pool2d(
    input: Tensor,
    kernel_size: Size2,
    stride: Size2 | None = None,
    padding: Size2 = 0,
    dilation: Size2 = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of every window; its gradient goes to that element alone, at a tie to the first.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of the window, one number or (height, width).
        stride: step from window to window; the kernel size if None.
        padding: rows and columns of -∞ on every side, at most half a window.
        dilation: step from element to element within a window.
        ceil_mode: also keep windows that reach over the lower or right border.
        return_indices: also return the positions of the maxima in the flattened H·W plane.

    Returns:
        (N, C, H', W') or (C, H', W') with H' = ⌊(H + 2 padding - dilation (kernel - 1) - 1) / stride⌋ + 1; with
        ``return_indices`` a pair of it and an int64 tensor of its shape.

    Raises:
        RuntimeError: the settings do not fit each other or the input.
        NotImplementedError: ``input`` is complex or bool.

    Source: S15. Signature and behaviour: ``torch.nn.functional.max_pool2d``.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 4.0, 4.0], [2.0, 3.0, 0.0]]], requires_grad=True)
    >>> y = max_pool2d(x, 2, stride=1)
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([[[4., 4.]]]), tensor([[[0., 2., 0.],
             [0., 0., 0.]]]))
    """
    need_real("max_pool2d", input=input)
    y, position = MaxPool2d.apply(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return (y, position) if return_indices else y

"""Convolution in two dimensions (cross-correlation, as the field calls it)."""

from collections.abc import Sequence

from torch import Tensor

from manualnet.functional import _multiply as multiply
from manualnet.functional._dtypes import autocast
from manualnet.functional._errors import need_real
from manualnet.functional._function import Function, save_factors
from manualnet.functional._plain import plain
from manualnet.functional.arithmetic.pad import pad
from manualnet.functional.layers import _conv2d_fast as fast_paths
from manualnet.functional.layers._windows import pair


class Conv2d(Function):
    """y[n,o,p] = b[o] + Σ_c Σ_k w[o,c,k] x[n,c, s·p + d·k − pad], with p and k positions in the plane.

    (N batch, C channels in, O channels out, s stride, d dilation; with groups, o sees the channels of its group.)
    Every product w·x of the sum sends g·w to its x and g·x to its w, so with G = ∂L/∂y

        ∂L/∂x[n,c,q] = Σ_o Σ_{p,k: s·p + d·k − pad = q} w[o,c,k] g[n,o,p]
        ∂L/∂w[o,c,k] = Σ_n Σ_p g[n,o,p] x[n,c, d·k + s·p − pad]
        ∂L/∂b[o]     = Σ_n Σ_p g[n,o,p]

    The first puts a copy of the kernel, weighted by g, where each output looked: the definition of the transposed
    convolution. The second is a convolution itself: the batch plays the channels, g the kernel, and stride and
    dilation change places.

    Saved: x where w's gradient is wanted and w where x's is.
    """

    @staticmethod
    def forward(x, weight, bias, *geometry):
        y = fast_paths.forward(x, weight, bias, *geometry)
        return multiply.conv2d(x, weight, bias, *geometry) if y is None else y

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, *ctx.geometry = inputs
        ctx.x_shape, ctx.weight_shape = x.shape, weight.shape
        save_factors(ctx, x, weight)

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        need_x, need_weight, need_bias, *_ = ctx.needs_input_grad
        fast = plain(grad_out, x, weight)
        if fast and (need_x or need_weight):
            grad_out = fast_paths.laid_out(grad_out, weight if x is None else x)
        grad_x = input_gradient(fast, grad_out, weight, ctx.x_shape, *ctx.geometry) if need_x else None
        if fast and need_weight and need_bias:
            both = fast_paths.grad_weight_and_bias(grad_out, x, ctx.weight_shape, *ctx.geometry)
            if both is not None:
                return grad_x, *both, None, None, None, None
        grad_weight = weight_gradient(fast, grad_out, x, ctx.weight_shape, *ctx.geometry) if need_weight else None
        grad_bias = bias_gradient(fast, grad_out) if need_bias else None
        return grad_x, grad_weight, grad_bias, None, None, None, None

    @staticmethod
    def jvp(ctx, x_t, weight_t, bias_t, *_):
        x, weight = ctx.saved_tensors
        return tangent(x, weight, x_t, weight_t, bias_t, ctx.geometry)


def tangent(x, weight, x_t, weight_t, bias_t, geometry):
    """ẏ, along a direction of x, w and b."""
    y_t = multiply.conv2d(x_t, weight, bias_t, *geometry)
    return y_t + multiply.conv2d(x, weight_t, None, *geometry)


def input_gradient(fast: bool, grad_out, weight, x_shape, *geometry):
    """∂L/∂x, of shape (N, C, H, W); ``fast``: whether fast paths may run."""
    found = fast_paths.grad_x(grad_out, weight, *geometry) if fast else None
    return _transposed(grad_out, weight, x_shape, *geometry) if found is None else found


def weight_gradient(fast: bool, grad_out, x, weight_shape, *geometry):
    """∂L/∂w, of shape (O, C / groups, kernel height, kernel width)."""
    found = fast_paths.grad_weight(grad_out, x, weight_shape, *geometry) if fast else None
    return _exchanged(grad_out, x, weight_shape, *geometry) if found is None else found


def bias_gradient(fast: bool, grad_out):
    """∂L/∂b, of shape (O)."""
    found = fast_paths.grad_bias(grad_out) if fast else None
    return grad_out.sum((0, 2, 3)) if found is None else found


def _transposed(grad_out, weight, x_shape, stride, padding, dilation, groups):
    # Several input sizes give the same output size: the rows and columns that the stride left over tell which it was.
    sides = zip(x_shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    extra = [(n + 2 * p - d * (k - 1) - 1) % s for n, k, s, p, d in sides]
    return multiply.conv_transpose2d(grad_out, weight, None, stride, padding, extra, groups, dilation)


def _exchanged(grad_out, x, weight_shape, stride, padding, dilation, groups):
    n, c, h, w = x.shape
    kh, kw = weight_shape[2:]
    if n == 0:
        return x.new_zeros(weight_shape)
    # (N, G·C, H, W) to (C, G·N, H, W): a channel of a group is an example now, and the batch its channels.
    x = x.reshape(n, groups, c // groups, h, w).permute(2, 1, 0, 3, 4).reshape(c // groups, groups * n, h, w)
    g = grad_out.transpose(0, 1)
    grad = multiply.conv2d(x, g, None, dilation, padding, stride, groups)
    # Rows and columns that the stride never reached give places beyond the kernel.
    return grad.narrow(2, 0, kh).narrow(3, 0, kw).transpose(0, 1)


def out_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Places of a kernel along an axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def prepared(name: str, input, weight, bias, stride, padding, dilation) -> tuple:
    """The tensors, pictures as a batch, and stride, padding and dilation as numbers for each axis."""
    need_real(name, input=input, weight=weight)
    if weight.dim() != 4:
        raise RuntimeError(
            f"{name}: weight must have 4 axes (out, in / groups, height, width), but has shape {tuple(weight.shape)}"
        )
    input, weight, bias = autocast(name, input, weight, bias)
    x = input.unsqueeze(0) if input.dim() == 3 else input
    step, spread = pair(stride), pair(dilation)
    if isinstance(padding, str):
        x, border = _named_padding(name, x, padding, weight.shape[2:], step, spread)
    else:
        border = pair(padding)
    return x, weight, bias, step, border, spread


def _named_padding(name, x, padding, kernel, stride, dilation):
    if padding == "valid":
        return x, (0, 0)
    if padding != "same":
        raise RuntimeError(f"{name}: padding must be numbers, 'valid' or 'same', but is {padding!r}")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"padding='same' is not supported for strided convolutions, but stride is {stride}")
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    # An odd total gives the last row or column one zero more.
    odd = [t % 2 for t in total]
    if any(odd):
        x = pad(x, [0, odd[1], 0, odd[0]])
    return x, tuple(t // 2 for t in total)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Slide a kernel over the picture: at each place, the sum of the products of kernel and picture.

    ∂L/∂input is the transposed convolution of ∂L/∂y with the kernel; ∂L/∂weight is the convolution of the input with
    ∂L/∂y; ∂L/∂bias is the sum of ∂L/∂y over batch and places.

    Args:
        input: (N, C, H, W) or (C, H, W)
        weight: (O, C / groups, kernel height, kernel width)
        bias: (O), or None
        stride: step between places
        padding: zeros added on every side, or ``"valid"`` (none) or ``"same"`` (as many as keep the size)
        dilation: step between the kernel's elements
        groups: the channels are split into this many groups that do not see each other

    Returns:
        (N, O, H', W') or (O, H', W'), with H' = ⌊(H + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1

    Raises:
        RuntimeError: shapes or types do not fit, or ``padding="same"`` with a stride.
        NotImplementedError: complex input.

    On the CPU, where a C compiler is found, large convolutions of float32 pictures with kernels of 3 × 3, a stride of 1
    and channels in multiples of 8 (at least 24 where they lie innermost, 64 in planes) go by Winograd's filtering, in
    tiles of 2 × 2 outputs, whose error is about 1.5 times the plain sum's; after
    ``torch.set_float32_matmul_precision("high")`` in larger ones, up to three times as fast, whose error is up to five
    times that. ``MANUALNET_NATIVE=0`` gives the plain sum. In bfloat16, on a processor that multiplies tiles of such
    numbers, those of 3 columns are the plain sum in compiled code.

    Source: S15 (the idea), S50 (a gradient as a sum of products). Signature and behaviour:
    ``torch.nn.functional.conv2d``.

    >>> import torch
    >>> x = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> kernel = torch.tensor([[[[1.0, 0.0], [0.0, -1.0]]]], requires_grad=True)
    >>> y = conv2d(x, kernel)
    >>> y.squeeze().detach()
    tensor([[-4., -4.],
            [-4., -4.]])
    >>> y.backward(torch.ones_like(y))
    >>> kernel.grad.squeeze()  # each weight met the sum of four pixels
    tensor([[ 8., 12.],
            [20., 24.]])
    """
    y = Conv2d.apply(*prepared("conv2d", input, weight, bias, stride, padding, dilation), groups)
    return y.squeeze(0) if input.dim() == 3 else y

"""Convolution's sums on the CPU without the detour by another convolution: compiled, or as matrix products.

    y        three columns side by side    by tiles (bfloat16, where the processor has them) or Winograd's filtering
    ∂L/∂x    the same                      the same, seen from the other side
             groups                        a convolution with each group's kernel turned round
             one pixel                     Wᵀ g
    ∂L/∂w    3 × 3, many channels          Winograd's filtering
             channels apart                a sum for each
             one pixel, planes             g xᵀ
             any                           a sum in registers; of large kernels, or where nothing is compiled,
                                           unfolded in chunks
    ∂L/∂b    any sum in registers          beside ∂L/∂w
             many places                   a compiled sum

Each way declines what it is not for. What the geometry tells is asked first: every question takes as long as a tenth of
a small convolution.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as torch_functional
from torch import Tensor

from manualnet.functional import _multiply as multiply
from manualnet.functional._chunks import rows
from manualnet.functional._dtypes import cast
from manualnet.functional._plain import plain
from manualnet.functional.arithmetic._products import sum_of_products, times_batch
from manualnet.native import conv2d_depthwise as depthwise
from manualnet.native import conv2d_tiles as tiles
from manualnet.native import conv2d_weight as native
from manualnet.native import winograd
from manualnet.native.call import fits, multiplies_tiles
from manualnet.native.pixels import is_dense, suggested
from manualnet.native.product_sums import product_sums


def forward(x, weight, bias, stride, padding, dilation, groups) -> Tensor | None:
    """y; None where PyTorch's kernel is as fast."""
    if not _usual(stride, dilation, groups) or not plain(x, weight, bias):
        return None
    return _by(x).conv2d(x, weight, bias, padding)


def forward_pooled(x, weight, bias, stride, padding, dilation, groups) -> tuple[Tensor, Tensor] | None:
    """The largest y of each 2 × 2 window and its place there; None where nothing is compiled."""
    if not tiled(x) or not _usual(stride, dilation, groups) or not plain(x, weight, bias):
        return None
    return tiles.conv2d_max_pool2d(x, weight, bias, padding)


def grad_x(grad_out, weight, stride, padding, dilation, groups) -> Tensor | None:
    """∂L/∂x; None where the transposed convolution is as fast."""
    if not grad_out.is_cpu:
        return None
    if groups > 1:
        return _grad_x_of_groups(grad_out, weight, stride, padding, dilation, groups)
    if weight.shape[2:] == (1, 1):
        return _grad_x_of_pixels(grad_out, weight, stride, padding)
    return _by(grad_out).conv2d_input(grad_out, weight, padding) if _usual(stride, dilation, groups) else None


def grad_x_pooled(grad_out, weight, stride, padding, dilation, groups, pooled) -> Tensor | None:
    """The same from the cotangent of what :func:`forward_pooled` gave, or another way that gives the same."""
    return tiles.conv2d_input(grad_out, weight, padding, pooled) if _usual(stride, dilation, groups) else None


def _usual(stride, dilation, groups) -> bool:
    """Whether all channels of neighbours are summed at every place."""
    return groups == 1 and stride == dilation == (1, 1)


def _by(x: Tensor):
    """What may be compiled for convolutions of this type."""
    return tiles if tiled(x) else winograd


def tiled(x: Tensor) -> bool:
    """Whether the processor multiplies tiles of this type."""
    return x.dtype is torch.bfloat16 and multiplies_tiles()


def laid_out(grad_out: Tensor, like: Tensor) -> Tensor:
    """A cotangent with gaps, or of one number for all as a sum gives, in memory: once for all that is made of it."""
    return grad_out if not grad_out.is_cpu or is_dense(grad_out) else grad_out.contiguous(memory_format=suggested(like))


# Channels of a group from which on groups that are not compiled are taken one by one.
_APART = 8


def grad_weight(grad_out, x, weight_shape, stride, padding, dilation, groups) -> Tensor | None:
    """∂L/∂w; None where a convolution is as fast."""
    if not x.is_cpu:
        return None
    geometry = stride, padding, dilation
    if groups == 1:
        usual = _usual(stride, dilation, groups)
        found = winograd.conv2d_weight(grad_out, x, weight_shape, padding) if usual else None
        return _grad_weight_of_one_group(grad_out, x, weight_shape, *geometry) if found is None else found
    ways = depthwise.conv2d_weight, native.conv2d_weight
    together = _first(ways, grad_out, x, weight_shape, *geometry, groups)
    if together is not None or weight_shape[1] < _APART:
        return together
    shape = torch.Size((weight_shape[0] // groups, *weight_shape[1:]))
    apart = zip(grad_out.chunk(groups, 1), x.chunk(groups, 1), strict=True)
    return torch.cat([_grad_weight_of_one_group(g, part, shape, *geometry) for g, part in apart])


def grad_weight_and_bias(grad_out, x, weight_shape, stride, padding, dilation, groups) -> tuple[Tensor, Tensor] | None:
    """∂L/∂w and ∂L/∂b; None where they are not summed together, while the cotangent is in the cache."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    if groups > 1 or not (last or weight_shape[2:].numel() > 1):
        return None
    usual = _usual(stride, dilation, groups)
    if _vast(x, weight_shape) or (usual and winograd.suits(x, weight_shape, padding, many=True)):
        return None
    bias = torch.empty(weight_shape[:1], dtype=x.dtype)
    grad = native.conv2d_weight(grad_out, x, weight_shape, stride, padding, dilation, groups, grad_bias=bias)
    return None if grad is None else (grad, bias)


def _first(ways: tuple[Callable, ...], *arguments) -> Tensor | None:
    """What the first way gives that does not decline."""
    for way in ways:
        found = way(*arguments)
        if found is not None:
            return found
    return None


# Cotangents from which on their sum is faster compiled, where channels lie innermost; and of planes of half precision.
_MANY, _HALVES, _PLANE = 1 << 21, 1 << 18, 1 << 6


def grad_bias(grad_out) -> Tensor | None:
    """∂L/∂b; None where PyTorch's sum is as fast."""
    count, plane = grad_out.numel(), grad_out.shape[2:].numel()
    if grad_out.is_contiguous():
        slow = count >= _HALVES and plane >= _PLANE and grad_out.dtype is torch.bfloat16
    else:
        slow = count >= _MANY
    if not slow:
        return None
    sums = product_sums(grad_out, None, torch.Size((grad_out.shape[1], 1, 1)))
    return None if sums is None else cast(sums.view(-1), grad_out.dtype)


# Weights whose sums do not stay in the cache: a matrix product goes over them less often.
_VAST = 1 << 21


def _vast(x, weight_shape) -> bool:
    return x.dtype is torch.float32 and weight_shape.numel() >= _VAST


def _grad_weight_of_one_group(grad_out, x, weight_shape, *geometry) -> Tensor:
    # Where pixels lie one after another what is compiled sums them faster than a matrix product does.
    last = x.is_contiguous(memory_format=torch.channels_last)
    compiled, product = native.conv2d_weight, _grad_weight_of_pixels
    ways: tuple[Callable, ...] = (compiled, product) if last else (product, compiled)
    if _vast(x, weight_shape):
        ways = (product,)
    grad = _first(ways, grad_out, x, weight_shape, *geometry, 1)
    return _grad_weight_chunked(grad_out, x, weight_shape, *geometry) if grad is None else grad


def _pixelwise(x, kernel, padding) -> bool:
    """Whether pixels are multiplied by a matrix."""
    return tuple(kernel) == (1, 1) and tuple(padding) == (0, 0) and x.numel() > 0


# Pixels and channels from which on a transposed convolution is faster, where channels lie innermost.
_PIXELS, _CHANNELS = 1 << 12, 1 << 6


def _grad_x_of_pixels(grad_out, weight, stride, padding) -> Tensor | None:
    """Wᵀ g, pixel by pixel."""
    if not _pixelwise(grad_out, weight.shape[2:], padding) or stride != (1, 1):
        return None
    (n, o, h, w), c = grad_out.shape, weight.shape[1]
    matrix = weight.reshape(o, c)
    if grad_out.is_contiguous():
        return times_batch(matrix.t(), grad_out.view(n, o, h * w)).view(n, c, h, w)
    if n * h * w >= _PIXELS and min(o, c) >= _CHANNELS:
        return None
    return multiply.matmul(_pixels(grad_out), matrix).view(n, h, w, c).permute(0, 3, 1, 2)


# Cotangents in groups from which on it pays to turn their kernels round, and channels of a group up to which; twice as
# many in float32 where they lie innermost.
_LARGE, _FEW = 1 << 16, 8


def _grad_x_of_groups(grad_out, weight, stride, padding, dilation, groups) -> Tensor | None:
    """A convolution that sees each group's kernel turned round, from the other side: faster than a transposed one."""
    if grad_out.numel() < _LARGE or not fits(grad_out):
        return None
    _, c, *kernel = weight.shape
    last = grad_out.is_contiguous(memory_format=torch.channels_last)
    if c > (2 * _FEW if last and grad_out.dtype is torch.float32 else _FEW):
        return None
    border = [d * (k - 1) - p for k, p, d in zip(kernel, padding, dilation, strict=True)]
    if tuple(stride) != (1, 1) or min(border) < 0:
        return None
    turned = weight.reshape(groups, -1, c, *kernel).transpose(1, 2).flip(3, 4).flatten(0, 1)
    return multiply.conv2d(grad_out, turned, None, stride, border, dilation, groups)


def _grad_weight_of_pixels(grad_out, x, weight_shape, stride, padding, *_) -> Tensor | None:
    """Σ g xᵀ over all pixels that are looked at."""
    if not _pixelwise(x, weight_shape[2:], padding):
        return None
    x = x[:, :, :: stride[0], :: stride[1]]
    if x.is_contiguous() and grad_out.is_contiguous():
        return sum_of_products(grad_out.flatten(2), x.flatten(2)).view(weight_shape)
    return multiply.matmul(_pixels(grad_out).t(), _pixels(x)).view(weight_shape)


def _pixels(t: Tensor) -> Tensor:
    """A row a pixel, a column a channel."""
    return t.permute(0, 2, 3, 1).reshape(-1, t.shape[1])


# Rows of the unfolded input at a time: few enough to stay in the cache, enough for an efficient product.
_ROWS = 4500


def _grad_weight_chunked(grad_out, x, weight_shape, stride, padding, dilation) -> Tensor:
    """The same sum as one matrix product Gᵀ·U a chunk of examples, U the unfolded input (…positions, kernel·channels).

    Channels lie innermost, so that a window is copied in runs of kernel width · channels. The chunks' products are
    added in at least float32.
    """
    out_channels, c, kh, kw = weight_shape
    n, _, h, w = x.shape
    oh, ow = grad_out.shape[2:]
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    size = min(n, rows(oh * ow, _ROWS))
    dtype = torch.float32 if multiply.slow(x) else x.dtype
    padded = torch_functional.pad(x.new_zeros(size, h, w, c, dtype=dtype), (0, 0, pw, pw, ph, ph))
    sn, sr, sc, _ = padded.stride()
    windows = padded.as_strided((size, oh, ow, kh, kw, c), (sn, sh * sr, sw * sc, dh * sr, dw * sc, 1))
    unfolded = padded.new_empty(size, oh, ow, kh, kw, c)
    total = torch.zeros(out_channels, kh * kw * c, dtype=torch.promote_types(x.dtype, torch.float32))
    x, g = x.permute(0, 2, 3, 1), grad_out.permute(0, 2, 3, 1)
    for pictures, cotangents in zip(x.split(size), g.split(size), strict=True):
        m = len(pictures)
        padded[:m, ph : ph + h, pw : pw + w] = pictures
        unfolded[:m] = windows[:m]
        total += cast(cotangents, dtype).reshape(-1, out_channels).t() @ unfolded[:m].view(-1, kh * kw * c)
    return total.view(out_channels, kh, kw, c).permute(0, 3, 1, 2).to(x.dtype)

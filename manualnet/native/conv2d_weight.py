"""The weight gradient of a convolution, by ``conv2d_weight_tiles.c`` where the processor multiplies tiles of bfloat16
numbers and by ``conv2d_weight.c`` elsewhere."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, multiplies_tiles, numbers
from manualnet.native.conv2d_tiles import Pooled
from manualnet.native.pixels import channels_last

# Products below which the call is over before a compiled path pays, and those that a second thread is woken for, of
# vectors and of tiles.
_WORTH, _SHARED, _SHARED_TILES = 1 << 12, 3 << 18, 1 << 21


def conv2d_weight(
    grad_out: Tensor,
    x: Tensor,
    weight_shape,
    stride,
    padding,
    dilation,
    groups,
    pooled: Pooled | None = None,
    grad_bias: Tensor | None = None,
) -> Tensor | None:
    """Σ_n Σ_p g[n,o,p] x[n,c,k + p − pad], summed in float32; None where another way must be gone.

    Shapes: grad_out (N, O, H', W'), x (N, C, H, W), the result ``weight_shape`` = (O, C / groups, kernel height and
    width). With ``pooled``, ``grad_out`` is the cotangent of what
    :func:`manualnet.native.conv2d_tiles.conv2d_max_pool2d` gave. Σ_n Σ_p g[n,o,p] is written into ``grad_bias`` (O) on
    the way, if there is one: of float32 and by tiles alone, and not of what was pooled.
    """
    if not fits(x) or grad_out.dtype != x.dtype:
        return None
    place, (oh, ow) = pooled or (None, grad_out.shape[2:])
    n, _, h, w = x.shape
    o, c, kh, kw = weight_shape
    products = n * oh * ow * weight_shape.numel()
    if products < _WORTH:
        return None
    x, grad_out = channels_last(x), channels_last(grad_out)
    tiled = x.dtype is torch.bfloat16 and multiplies_tiles()
    threads = torch.get_num_threads() if products >= (_SHARED_TILES if tiled else _SHARED) else 1
    grad = torch.empty(o, kh, kw, c, dtype=x.dtype)
    shape = numbers(n, c, h, w, o // groups, oh, ow, kh, kw, *stride, *padding, *dilation, groups)
    for kernel, tensors in _kernels(tiled, x, grad_out, place, grad, grad_bias):
        if kernel is not None and not call(kernel, *tensors, shape, threads):
            return grad.permute(0, 3, 1, 2)
    return None


def _kernels(
    tiled: bool, x: Tensor, grad_out: Tensor, place: Tensor | None, grad: Tensor, grad_bias: Tensor | None
) -> Iterator[tuple[Any, tuple]]:
    """What computes it, the fastest first, and of which tensors."""
    if tiled:
        tiles = load("numbers.h", "tiles.h", "conv2d_weight_tiles.c")
        yield getattr(tiles, "conv2d_weight_tiles", None), (x, grad_out, place, grad, grad_bias)
    if place is None and (grad_bias is None or x.dtype is torch.float32):
        vectors = load("numbers.h", "share.h", "vectors.h", "conv2d_weight.c")
        yield getattr(vectors, f"conv2d_weight_{NAMES[x.dtype]}", None), (x, grad_out, grad, grad_bias)

"""Batch normalisation, alone or with ReLU or GELU after it, by ``batch_norm.c`` where channels lie innermost and by
``batch_norm_planes.c`` where each has its plane."""

import ctypes
import math
from functools import lru_cache

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, dense, fits, threads_for, wide
from manualnet.native.pixels import channels_last, suggested


def forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, activation: str = "none"
) -> tuple[Tensor, Tensor, Tensor] | None:
    """y, mean and variance, both in float32; None where another way must be gone."""
    x, layout = _laid(x)
    kernel = _kernel(activation, layout, x.dtype)
    if kernel is None:
        return None
    mean, v = torch.empty(x.shape[1]), torch.empty(x.shape[1])
    return _normalised(kernel, layout, x, weight, bias, mean, v, eps, training=True), mean, v


def evaluate(
    x: Tensor, mean, v, weight: Tensor | None, bias: Tensor | None, eps: float, activation: str = "none"
) -> Tensor | None:
    """y with the statistics ``mean`` and ``v`` of each channel; None where another way must be gone."""
    x, layout = _laid(x)
    kernel = _kernel(activation, layout, x.dtype)
    if kernel is None:
        return None
    return _normalised(kernel, layout, x, weight, bias, wide(mean), wide(v), eps, training=False)


def _normalised(kernel, layout, x, weight, bias, mean, v, eps: float, training: bool) -> Tensor:
    y, narrow = torch.empty_like(x), _narrow(weight, bias)
    call(kernel, x, y, dense(weight), dense(bias), mean, v, training, _shape(x, layout, eps, narrow))
    return y


def backward(
    grad_out: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    v: Tensor,
    eps: float,
    cotangents: tuple[Tensor | None, Tensor | None] | None,
    needs: tuple[bool, ...],
    activation: str = "none",
) -> tuple[Tensor | None, Tensor | None, Tensor | None] | None:
    """∂L/∂x, ∂L/∂weight and ∂L/∂bias as far as they are needed; None where another way must be gone.

    ``cotangents`` are those of mean and variance in training, None for zeros; without them both are constants.
    """
    x, layout = _laid(x)
    kernel = _kernel(f"{activation}_backward", layout, x.dtype)
    if kernel is None:
        return None
    g = grad_out.contiguous() if layout or x.dim() == 2 else channels_last(grad_out)
    grad_x, narrow = torch.empty_like(x) if needs[0] else None, _narrow(weight, bias)
    dtype = torch.bfloat16 if narrow else torch.float32
    grad_weight, grad_bias = torch.empty(x.shape[1], dtype=dtype), torch.empty(x.shape[1], dtype=dtype)
    of_statistics = (None, None) if cotangents is None else cotangents
    tensors = dense(weight), dense(bias), wide(mean), wide(v), *map(dense, of_statistics)
    shape = _shape(x, layout, eps, narrow)
    call(kernel, g, x, grad_x, *tensors, grad_weight, grad_bias, cotangents is not None, shape)
    need_weight, need_bias = weight is not None and needs[1], bias is not None and needs[2]
    return grad_x, grad_weight if need_weight else None, grad_bias if need_bias else None


def track(running: tuple[Tensor, Tensor], batch: tuple[Tensor, Tensor], momentum: float, share: float) -> bool:
    """Move mean and variance towards the batch's, in place, by ``momentum`` and ``share``; False if left undone."""
    (mean, v), dtype = running, running[0].dtype
    if not (fits(mean) and v.is_cpu and mean.is_contiguous() and v.is_contiguous()):
        return False
    # Tensors of inference mode have no version to be raised. The batch's two are made alike.
    if v.dtype is not dtype or batch[0].dtype is not torch.float32 or mean.is_inference() or v.is_inference():
        return False
    library = _library("")
    if library is None:
        return False
    call(getattr(library, f"batch_norm_track_{NAMES[dtype]}"), mean, v, *batch, mean.numel(), float(momentum), share)
    # Whoever saved them for a backward pass must learn that they have changed.
    torch.autograd.graph.increment_version(running)
    return True


# Elements from which on compiled code pays, and numbers from which on a row is long enough for its loops to run at full
# speed.
_WORTH, _LONG = 1 << 6, 1024


class _Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("rows", "width", "pixels", "channels")]
    _fields_ += [("eps", ctypes.c_double), ("threads", ctypes.c_long), ("narrow", ctypes.c_long)]


def _shape(x: Tensor, layout: str | None, eps: float, narrow: bool):
    channels, elements = x.shape[1], x.numel()
    rest = channels, elements, eps, threads_for(elements), narrow
    return _planes(x.shape[0], *rest) if layout else _rows(*rest)


@lru_cache
def _planes(pictures: int, channels: int, elements: int, eps: float, threads: int, narrow: bool):
    pixels = elements // channels
    return ctypes.byref(_Shape(pictures, pixels // pictures, pixels, channels, eps, threads, narrow))


@lru_cache
def _rows(channels: int, elements: int, eps: float, threads: int, narrow: bool):
    pixels, fold = elements // channels, 16 // math.gcd(channels, 16)
    if pixels % fold:
        fold = 1
    while channels * fold < _LONG and pixels % (2 * fold) == 0:
        fold *= 2
    return ctypes.byref(_Shape(pixels // fold, channels * fold, pixels, channels, eps, threads, narrow))


def _narrow(weight: Tensor | None, bias: Tensor | None) -> bool:
    """Whether they are of bfloat16; the caller has seen to it that they have one type, that of x or float32."""
    first = bias if weight is None else weight
    return first is not None and first.dtype is torch.bfloat16


def _laid(x: Tensor) -> tuple[Tensor, str | None]:
    """A tensor on the CPU and how it lies: the channels innermost, or each in its ``planes_``; None for another.

    A copy where it lies otherwise.
    """
    if not fits(x) or x.numel() < _WORTH:
        return x, None
    layout = suggested(x)
    innermost = x.dim() == 2 or layout is not torch.contiguous_format
    return x.contiguous(memory_format=layout), "" if innermost else "planes_"


def _kernel(name: str, layout: str | None, dtype: torch.dtype):
    library = None if layout is None else _library(layout)
    return getattr(library, f"batch_norm_{layout}{name}_{NAMES[dtype]}") if library else None


def _library(layout: str):
    name = "batch_norm_planes.c" if layout else "batch_norm.c"
    return load("numbers.h", "share.h", "exp.h", "gelu.h", "batch_norm.h", name)

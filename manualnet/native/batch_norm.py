"""Batch normalisation, alone or with ReLU or GELU after it, by ``batch_norm.c`` where channels lie innermost and by
``batch_norm_planes.c`` where each has its plane."""

import ctypes
import math
from functools import lru_cache

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, channels_last, fits, threads_for


def applies(x: Tensor) -> bool:
    """Dense tensors on the CPU; of pictures the channels may lie innermost."""
    return (
        fits(x)
        and x.numel() >= 1 << 6
        and (x.is_contiguous() if x.dim() != 4 else x.is_contiguous() or _innermost(x))
        and _library(_innermost(x)) is not None
    )


def _innermost(x: Tensor) -> bool:
    return x.dim() == 2 or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))


def forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, activation: str = "none"
) -> tuple[Tensor, Tensor, Tensor]:
    """y, mean and variance, both in float32."""
    mean, v = torch.empty(x.shape[1]), torch.empty(x.shape[1])
    return _normalised(x, weight, bias, mean, v, eps, activation, training=True), mean, v


def evaluate(
    x: Tensor, mean, v, weight: Tensor | None, bias: Tensor | None, eps: float, activation: str = "none"
) -> Tensor:
    """y with the statistics ``mean`` and ``v`` of each channel."""
    return _normalised(x, weight, bias, mean.float(), v.float(), eps, activation, training=False)


def _normalised(x, weight, bias, mean, v, eps: float, activation: str, training: bool) -> Tensor:
    y, weight, bias = torch.empty_like(x), _float(weight), _float(bias)
    kernel = _kernel(activation, x)
    call(kernel, x, y, weight, bias, mean, v, training, _shape(x, eps))
    return y


def backward(
    grad_out: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    v: Tensor,
    eps: float,
    cotangents: tuple[Tensor, Tensor] | None,
    needs: tuple[bool, ...],
    activation: str = "none",
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """∂L/∂x, ∂L/∂weight and ∂L/∂bias as far as they are needed.

    ``cotangents`` are those of mean and variance in training; None says that both are constants.
    """
    g = channels_last(grad_out) if x.dim() == 4 and _innermost(x) else grad_out.contiguous()
    grad_x = torch.empty_like(x) if needs[0] else None
    grad_weight, grad_bias = torch.empty(x.shape[1]), torch.empty(x.shape[1])
    of_statistics = (None, None) if cotangents is None else [t.contiguous() for t in cotangents]
    tensors = _float(weight), _float(bias), _float(mean), _float(v), *of_statistics
    kernel = _kernel(f"{activation}_backward", x)
    call(kernel, g, x, grad_x, *tensors, grad_weight, grad_bias, cotangents is not None, _shape(x, eps))
    return grad_x, _like(grad_weight, weight, needs[1]), _like(grad_bias, bias, needs[2])


def _like(grad: Tensor, parameter: Tensor | None, needed: bool) -> Tensor | None:
    return grad.to(parameter.dtype) if parameter is not None and needed else None


def track(running: tuple[Tensor, Tensor], batch: tuple[Tensor, Tensor], momentum: float, share: float) -> bool:
    """Move mean and variance towards the batch's, in place, by ``momentum`` and ``share``; False if left undone."""
    tensors = (*running, *batch)
    together = all(t.is_cpu and t.dtype is torch.float32 and t.is_contiguous() for t in tensors)
    # Tensors of inference mode have no version to be raised.
    library = _library(True) if together and not any(t.is_inference() for t in running) else None
    if library is None:
        return False
    call(library.batch_norm_track, *tensors, running[0].numel(), float(momentum), share)
    # Whoever saved them for a backward pass must learn that they have changed.
    torch.autograd.graph.increment_version(running)
    return True


# Numbers from which on a row is long enough for its loops to run at full speed.
_LONG = 1024


class _Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("rows", "width", "pixels", "channels")]
    _fields_ += [("eps", ctypes.c_double), ("threads", ctypes.c_long)]


def _shape(x: Tensor, eps: float):
    channels, elements, threads = x.shape[1], x.numel(), threads_for(x.numel())
    if _innermost(x):
        return _rows(channels, elements, eps, threads)
    return _planes(x.shape[0], channels, elements, eps, threads)


@lru_cache
def _planes(pictures: int, channels: int, elements: int, eps: float, threads: int):
    pixels = elements // channels
    return ctypes.byref(_Shape(pictures, pixels // pictures, pixels, channels, eps, threads))


@lru_cache
def _rows(channels: int, elements: int, eps: float, threads: int):
    pixels, fold = elements // channels, 16 // math.gcd(channels, 16)
    if pixels % fold:
        fold = 1
    while channels * fold < _LONG and pixels % (2 * fold) == 0:
        fold *= 2
    return ctypes.byref(_Shape(pixels // fold, channels * fold, pixels, channels, eps, threads))


def _float(t: Tensor | None) -> Tensor | None:
    if t is None or (t.dtype is torch.float32 and t.is_contiguous()):
        return t
    return t.float().contiguous()


def _kernel(name: str, x: Tensor):
    innermost = _innermost(x)
    layout = "" if innermost else "planes_"
    return getattr(_library(innermost), f"batch_norm_{layout}{name}_{NAMES[x.dtype]}")


def _library(innermost: bool):
    name = "batch_norm.c" if innermost else "batch_norm_planes.c"
    return load("numbers.h", "share.h", "exp.h", "gelu.h", "batch_norm.h", name)

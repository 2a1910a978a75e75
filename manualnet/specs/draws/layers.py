"""Calls of the layers."""

from typing import Any

import torch
from torch import Tensor

from manualnet.check.spec import Sample
from manualnet.specs.draws.draw import Draw


def linear(d: Draw) -> Sample:
    inputs, out = d.side(0, 4), d.side(0, 4)
    x = d.tensor((*d.shape(0, 3), inputs + d.rarely()))
    # One unit without its axis; PyTorch's takes no bias then.
    unit = d.rarely()
    weight = d.tensor((inputs,) if unit else (out, inputs))
    bias = d.tensor((out + d.rarely(),)) if d.integer(0, 1) and not unit else None
    return Sample((x, weight, bias))


def _per_axis(d: Draw, low: int, high: int) -> int | tuple[int, int]:
    """One number for both axes, or one for each."""
    return d.integer(low, high) if d.integer(0, 1) == 0 else (d.integer(low, high), d.integer(low, high))


def _picture(d: Draw, channels: int, min_side: int = 1) -> tuple[int, ...]:
    """A batch of pictures or one picture, rarely an empty batch."""
    picture = (channels, d.side(min_side, 7), d.side(min_side, 7))
    return picture if not d.often() else (0 if d.rarely() else d.side(1, 3), *picture)


def conv2d(d: Draw) -> Sample:
    groups, inputs, out = d.one_of(1, 1, 2, 3), d.side(1, 3), d.side(1, 3)
    x = d.tensor(_picture(d, groups * inputs))
    kernel = (d.integer(1, 3), d.integer(1, 3))
    weight = d.tensor((groups * out, inputs + d.rarely(), *kernel))
    bias = d.tensor((groups * out + d.rarely(),)) if d.integer(0, 1) else None
    # In bfloat16 PyTorch crashes where a dilated window is larger than the picture and misses it; with AMX its kernel
    # reads beyond small pictures if there is a stride, or the dilation differs between the axes.
    alike = x.dtype == torch.bfloat16
    down, right = (d.integer(1, min(3, side)) for side in x.shape[-2:])
    if alike:
        down = right = min(down, right)
    kwargs: dict[str, Any] = {"groups": groups, "dilation": down if down == right else (down, right)}
    kwargs["padding"] = _per_axis(d, 0, 3) if d.often() else d.one_of("same", "valid")
    if kwargs["padding"] != "same" or d.rarely():
        kwargs["stride"] = 1 if alike else _per_axis(d, 1, 3)
    return Sample((x, weight, bias), kwargs)


def conv2d_max_pool2d(d: Draw) -> Sample:
    call = conv2d(d)
    return Sample(call.args, {**call.kwargs, "pool_size": _per_axis(d, 1, 3)})


def _windows(d: Draw) -> dict[str, Any]:
    """Windows, mostly smaller than the picture, with padding that is rarely more than half of them."""
    kernel = _per_axis(d, 1, 3)
    smallest = kernel if isinstance(kernel, int) else min(kernel)
    kwargs: dict[str, Any] = {"kernel_size": kernel, "stride": _per_axis(d, 1, 3) if d.integer(0, 1) else None}
    return {**kwargs, "padding": _per_axis(d, 0, smallest // 2 + d.rarely())}


def max_pool2d(d: Draw) -> Sample:
    # Where a dilated window spans the whole picture and meets only padding, PyTorch's backward writes out of bounds.
    x = d.tensor(_picture(d, d.side(1, 3), min_side=2))
    return Sample((x,), {**_windows(d), "dilation": _per_axis(d, 1, 2), "ceil_mode": bool(d.integer(0, 1))})


def avg_pool2d(d: Draw) -> Sample:
    x = d.tensor(_picture(d, d.side(1, 3)))
    switches = {name: bool(d.integer(0, 1)) for name in ("ceil_mode", "count_include_pad")}
    divisor = None if d.often() else d.one_of(3, -2, 0)
    return Sample((x,), {**_windows(d), **switches, "divisor_override": divisor})


def adaptive_avg_pool2d(d: Draw) -> Sample:
    def size() -> int | None:
        return d.integer(1, 8) if d.often() else None  # PyTorch does not differentiate a result without elements

    return Sample((d.tensor(_picture(d, d.side(1, 3))), d.one_of(d.integer(1, 8), (size(), size()))))


def stochastic_pool2d(d: Draw) -> Sample:
    """Valid calls only: what the twin is composed of refuses others in its own words."""
    x = d.tensor(_picture(d, d.side(1, 3)), -1 if d.rarely() else 0)
    kernel = tuple(d.integer(1, min(7, n)) for n in x.shape[-2:])
    kwargs = {"kernel_size": kernel, "stride": d.one_of(None, (d.integer(1, 3), d.integer(1, 3)))}
    # The waiting times of the draw are others in another type, so only float64 can be compared with float64's.
    training = d.dtype == torch.float64 and bool(d.integer(0, 1))
    return Sample((x,), {**kwargs, "padding": tuple(d.integer(0, n // 2) for n in kernel), "training": training})


def batch_norm(d: Draw) -> Sample:
    shape = d.shape(1, 4)
    shape = (*shape[:1], channels := d.side(1, 4), *shape[1:])
    # Without an element PyTorch returns before it refuses anything.
    faulty = d.rarely() and 0 not in shape

    def fault() -> bool:
        return faulty and bool(d.integer(0, 1))

    # Half precision may come with parameters and statistics in float32.
    dtype = d.one_of(d.dtype, torch.float32 if d.dtype.itemsize == 2 or fault() else d.dtype)

    def per_channel(low: float, high: float, grad: bool | None) -> Tensor:
        return d.tensor((channels + fault(),), low, high, grad, dtype)

    training = bool(d.integer(0, 1))
    statistics: list[Tensor | None] = [None, None]
    if d.integer(0, 1) if training else not fault():
        # Contiguous, because they are written to.
        statistics = [per_channel(low, 4, fault()).contiguous() for low in (-4, 1)]
    parameters = [per_channel(-4, 4, None) if d.integer(0, 1) else None for _ in range(2)]
    kwargs = {"momentum": d.number(0, 1), "eps": d.one_of(1e-5, 0.125, 0.0 if d.rarely() else 1.0)}
    return Sample((d.tensor(shape), *statistics, *parameters, training), kwargs)


def batch_norm_relu(d: Draw) -> Sample:
    """As batch_norm, but never at ReLU's kink, where the last bit of a sum would decide: a bias that is on no grid."""
    sample = batch_norm(d)
    x, mean, var, weight, bias, training = sample.args
    if bias is None:
        bias = torch.zeros(x.shape[1], dtype=next((t.dtype for t in (mean, weight) if t is not None), x.dtype))
    moved = (bias.detach() + 0.0371).requires_grad_(bias.requires_grad)
    return Sample((x, mean, var, weight, moved, training), sample.kwargs)


def dropout(d: Draw) -> Sample:
    p = d.number(-1, 2) if d.rarely() else d.number(0, 1)
    return Sample((d.tensor(d.shape()), p), {"training": d.often(), "inplace": d.rarely()})


def stochastic_depth(d: Draw) -> Sample:
    p = d.number(-1, 2) if d.rarely() else d.number(0, 1)
    return Sample((d.tensor(d.shape()), p, d.one_of("row", "batch")), {"training": d.often()})

"""What the losses on the difference of two tensors share."""

import warnings
from functools import reduce

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, cast, widen
from manualnet.functional._errors import refuse_complex


def difference(x: Tensor, target: Tensor) -> Tensor:
    """x - t in the common type of both, half precision widened."""
    if x.dtype != target.dtype:
        dtype = common_type(x, target)
        x, target = x.to(dtype), target.to(dtype)
    x, target = widen(x, target)
    return x - target


def common_type(*tensors: Tensor | None) -> torch.dtype:
    return reduce(torch.promote_types, [t.dtype for t in tensors if t is not None])


def rounded(value: Tensor, *tensors: Tensor | None) -> Tensor:
    """``value`` in the common type of ``tensors``; a mean of integers stays the fraction it is."""
    dtype = common_type(*tensors)
    return cast(value, dtype) if dtype.is_floating_point else value


def check_pair(name: str, input: Tensor, target: Tensor, weight: Tensor | None):
    """Refuse what PyTorch refuses, warn where it warns, and cast as its autocast does."""
    refuse_complex(name, input, target, weight)
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
        torch.broadcast_shapes(input.shape, target.shape)
    if weight is not None:
        if weight.size() != input.size():
            raise ValueError(f"weight must have the shape of input, {tuple(input.shape)}, got {tuple(weight.shape)}")
        # With weights PyTorch composes the loss of steps that autocast leaves alone.
        return input, target
    return autocast(name, input, target)


def total_weight(weight: Tensor | None, x: Tensor, target: Tensor) -> Tensor | int:
    """What the mean over the differences of ``x`` and ``target`` divides by."""
    if weight is not None:
        return widen(weight)[0].sum()
    return x.numel() if x.shape == target.shape else torch.broadcast_shapes(x.shape, target.shape).numel()

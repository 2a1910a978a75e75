"""What the penalties share: they take any number of tensors and give one number."""

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex


def check(name: str, tensors: tuple[Tensor, ...]) -> None:
    if not tensors:
        raise TypeError(f"{name}: at least one tensor is needed, none came")
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{name}: arguments must be tensors, but {type(t).__name__} came; unpack it with * if it holds them"
            )
    if len(devices := {t.device for t in tensors}) > 1:
        raise RuntimeError(
            f"{name}: all tensors must be on one device, but came on {', '.join(sorted(map(str, devices)))}"
        )
    refuse_complex(name, *tensors)


def total(terms: Iterable[Tensor], tensors: tuple[Tensor, ...]) -> Tensor:
    """The sum of 0-d ``terms``, rounded once to the type to which ``tensors`` promote."""
    result = reduce(torch.add, terms)
    dtype = reduce(torch.promote_types, (t.dtype for t in tensors))
    return result.to(dtype) if dtype.is_floating_point else result

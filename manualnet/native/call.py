"""Handing tensors to C."""

import ctypes

import torch
from torch import Tensor

NAMES = {torch.float32: "float", torch.bfloat16: "bfloat16"}


# Elements that a second thread is woken for.
_SHARED = 1 << 15


def fits(tensor: Tensor) -> bool:
    """On the CPU, of a type that is compiled for."""
    return tensor.is_cpu and tensor.dtype in NAMES


def threads_for(count: int) -> int:
    """The threads that work on so many elements."""
    return torch.get_num_threads() if count >= _SHARED else 1


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where the numbers lie; whoever calls keeps the tensor alive meanwhile."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def numbers(*values: int) -> ctypes.Array:
    return (ctypes.c_long * len(values))(*values)


def channels_last(tensor: Tensor) -> Tensor:
    """The picture's channels innermost; a copy only where they are not."""
    return tensor.contiguous(memory_format=torch.channels_last)

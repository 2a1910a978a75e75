"""Handing tensors to C."""

import ctypes

import torch
from torch import Tensor

NAMES = {torch.float32: "float", torch.bfloat16: "bfloat16"}


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where the numbers lie; whoever calls keeps the tensor alive meanwhile."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def numbers(*values: int) -> ctypes.Array:
    return (ctypes.c_long * len(values))(*values)


def channels_last(tensor: Tensor) -> Tensor:
    """The picture's channels innermost; a copy only where they are not."""
    return tensor.contiguous(memory_format=torch.channels_last)

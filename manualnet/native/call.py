"""Handing tensors to C."""

import ctypes
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

NAMES = {torch.float32: "float", torch.bfloat16: "bfloat16"}


# Elements that a second thread is woken for.
_SHARED = 1 << 15


def fits(tensor: Tensor) -> bool:
    """On the CPU, of a type that is compiled for."""
    return tensor.is_cpu and tensor.dtype in NAMES


def multiplies_bfloat16() -> bool:
    """Whether the processor has products of bfloat16 numbers."""
    return torch.cpu._is_avx512_bf16_supported() or multiplies_tiles()


def multiplies_tiles() -> bool:
    """Whether the processor multiplies tiles of bfloat16 numbers at once."""
    return torch.cpu._is_amx_tile_supported()


def threads_for(count: int) -> int:
    """The threads that work on so many elements."""
    return torch.get_num_threads() if count >= _SHARED else 1


def call(function: Any, *arguments) -> int:
    """A compiled function of addresses, of whole numbers (long) and of others (double).

    A tensor stands for its address and None for none; whoever calls keeps the tensors alive meanwhile. With the types
    told once, Python's own numbers are handed over as they are.
    """
    if function.argtypes is None:
        function.argtypes = [_TYPES.get(type(a), ctypes.c_void_p) for a in arguments]
    return function(*[a.data_ptr() if isinstance(a, Tensor) else a for a in arguments])


_TYPES = {int: ctypes.c_long, bool: ctypes.c_long, float: ctypes.c_double}


@lru_cache
def numbers(*values: int) -> ctypes.Array:
    """Whole numbers as an array of C's, which nobody writes to."""
    return (ctypes.c_long * len(values))(*values)


def along(tensor: Tensor, dim: int, *, ordered: bool = False) -> tuple[int, int, int] | None:
    """The tensor as an array (n, c, p) whose c is axis ``dim``; None where it does not lie like one in memory.

    ``ordered``: n and p are the other axes one after another.
    """
    dim %= tensor.dim()
    if tensor.is_contiguous():
        shape, at = tensor.shape, dim
    else:
        order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
        laid, at = tensor.permute(order), order.index(dim)
        others = order[:at] + order[at + 1 :]
        if not laid.is_contiguous() or (ordered and others != sorted(others)):
            return None
        shape = laid.shape
    return shape[:at].numel(), shape[at], shape[at + 1 :].numel()


def without_gaps(tensor: Tensor) -> bool:
    """Whether its elements fill one stretch of memory, each once, in whatever order."""
    return torch.ops.aten.is_non_overlapping_and_dense(tensor)


def layout_of(x: Tensor) -> torch.memory_format | None:
    """How it lies, also of one pixel a picture: how far the next would be tells where the channels are."""
    last, first = x.is_contiguous(memory_format=torch.channels_last), x.is_contiguous()
    if last and not (first and x.stride(3) == 1):
        return torch.channels_last
    return torch.contiguous_format if first else None


def laid_like(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor with the strides of ``like``, which has no gaps; a copy only where it has others."""
    return tensor if tensor.stride() == like.stride() else torch.empty_like(like).copy_(tensor)


def dense(tensor: Tensor | None) -> Tensor | None:
    """The tensor without gaps, None for none; a copy only where it has some."""
    return None if tensor is None else tensor.contiguous()


def wide(tensor: Tensor | None) -> Tensor | None:
    """The same in float32."""
    return dense(tensor if tensor is None or tensor.dtype is torch.float32 else tensor.float())

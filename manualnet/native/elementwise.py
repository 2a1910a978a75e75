"""A formula on every element in one pass over memory, compiled from an expression in C."""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, fits, pointer, threads_for

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 11


def worth(tensor: Tensor) -> bool:
    """Large enough, on the CPU and of a type that is compiled for."""
    return fits(tensor) and tensor.numel() >= _WORTH


def alike(tensors: list[Tensor]) -> bool:
    """Of one type, one shape and one layout without holes, all on the CPU."""
    first = tensors[0]
    dtype, shape, strides = first.dtype, first.shape, first.stride()
    return (
        first.is_cpu
        and all(t.dtype is dtype and t.shape == shape and t.stride() == strides for t in tensors[1:])
        and (first.is_contiguous() or torch.ops.aten.is_non_overlapping_and_dense(first))
    )


def run(
    expression: str, headers: tuple[str, ...], names: tuple[str, ...], tensors: list[Tensor], numbers: Sequence[float]
) -> Tensor | None:
    """``expression`` of the ``names``, tensors first and then numbers; None where it cannot be compiled."""
    library = load("numbers.h", *headers, text=_source(expression, names, len(tensors)))
    if library is None:
        return None
    first = tensors[0]
    out, count = torch.empty_like(first), first.numel()
    constants = (ctypes.c_double * len(numbers))(*numbers)
    kernel = getattr(library, f"run_{NAMES[first.dtype]}")
    kernel(*map(pointer, (*tensors, out)), constants, ctypes.c_long(count), threads_for(count))
    return out


def parameters(names: tuple[str, ...], tensors: int) -> tuple[str, str, str]:
    """In C: the arrays as parameters, the numbers as constants, and the elements at i as floats."""
    return (
        ", ".join(f"const T *restrict {name}_" for name in names[:tensors]),
        "".join(f"const float {name} = (float)numbers[{i}]; " for i, name in enumerate(names[tensors:])),
        "".join(f"const float {name} = get_##T({name}_[i]); " for name in names[:tensors]),
    )


@cache
def _source(expression: str, names: tuple[str, ...], tensors: int) -> str:
    arrays, constants, elements = parameters(names, tensors)
    return f"""
#define RUN(T)                                                                                          \\
    void run_##T({arrays}, T *restrict out, const double *numbers, long n, int threads) {{              \\
        (void)numbers; {constants}                                                                      \\
        _Pragma("omp parallel for simd num_threads(threads) if(parallel : threads > 1)")                \\
        for (long i = 0; i < n; i++) {{ {elements} out[i] = put_##T({expression}); }}                   \\
    }}
RUN(float)
RUN(bfloat16)
"""

"""A formula on every element in one pass over memory, compiled from an expression in C."""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, fits, threads_for

# Elements below which a call is over before a compiled path pays.
_WORTH = 1 << 9


def worth(tensor: Tensor) -> bool:
    """Large enough, on the CPU and of a type that is compiled for."""
    return fits(tensor) and tensor.numel() >= _WORTH


def alike(tensors: list[Tensor]) -> bool:
    """Of one type, one shape and one layout without holes, all on the CPU."""
    first = tensors[0]
    dtype, shape, strides = first.dtype, first.shape, first.stride()
    for t in tensors[1:]:
        if not (t.dtype is dtype and t.shape == shape and t.stride() == strides):
            return False
    return first.is_cpu and (first.is_contiguous() or torch.ops.aten.is_non_overlapping_and_dense(first))


def run(
    expression: str, headers: tuple[str, ...], names: tuple[str, ...], tensors: list[Tensor], numbers: Sequence[float]
) -> Tensor | None:
    """``expression`` of the ``names``, tensors first and then numbers; None where it cannot be compiled."""
    library = load("numbers.h", *headers, text=_source(expression, names, len(tensors)))
    if library is None:
        return None
    out = torch.empty_like(tensors[0])
    call(getattr(library, "run_" + NAMES[out.dtype]), [*tensors, out], numbers, out.numel())
    return out


def call(kernel, tensors: list[Tensor], numbers: Sequence[float], count: int) -> None:
    """A kernel that takes addresses, numbers, the number of elements and of threads."""
    constants = (ctypes.c_double * len(numbers))(*numbers) if numbers else None
    if kernel.argtypes is None:
        kernel.argtypes = [*[ctypes.c_void_p] * len(tensors), ctypes.c_void_p, ctypes.c_long, ctypes.c_int]
    kernel(*[t.data_ptr() for t in tensors], constants, count, threads_for(count))


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

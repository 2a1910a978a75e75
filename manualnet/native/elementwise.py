"""A formula on every element in one pass over memory, compiled from an expression in C."""

import ctypes
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, fits, threads_for

# From how many elements on compiled code pays, beside a formula of many steps, of some, and of two.
MANY, SOME, TWO = 1 << 9, 1 << 12, 1 << 14


def worth(tensor: Tensor, least: int) -> bool:
    """Large enough, on the CPU and of a type that is compiled for."""
    return tensor.numel() >= least and fits(tensor)


def split(names: tuple[str, ...], arguments: tuple) -> tuple[tuple[str, ...], list[Tensor], list[float]] | None:
    """The arguments as compiled code takes them: all names, arrays before numbers; the arrays; the numbers.

    None unless the arrays have one type, one shape and one layout without holes.
    """
    first = arguments[0]
    dtype, shape, strides = first.dtype, first.shape, first.stride()
    order, arrays, last, numbers = [], [], [], []
    for name, a in zip(names, arguments, strict=True):
        if not (isinstance(a, Tensor) and a.dim()):
            last.append(name)
            numbers.append(float(a))
        elif a.dtype is dtype and a.shape == shape and a.stride() == strides:
            order.append(name)
            arrays.append(a)
        else:
            return None
    if not (first.is_contiguous() or torch.ops.aten.is_non_overlapping_and_dense(first)):
        return None
    return (*order, *last), arrays, numbers


def run(expression: str, headers: tuple[str, ...], names: tuple[str, ...], arguments: tuple) -> Tensor | None:
    """``expression`` of the ``names``; None where the arguments do not lie alike, or nothing can be compiled."""
    return evaluate("run_", _source, torch.empty_like, expression, headers, names, arguments)


def evaluate(
    prefix: str,
    source: Callable[..., str],
    empty: Callable[[Tensor], Tensor],
    expression: str,
    headers: tuple[str, ...],
    names: tuple[str, ...],
    arguments: tuple,
) -> Tensor | None:
    """What the function of a type, named by ``prefix``, writes into the ``empty`` result for the first array."""
    if (sorted_ := split(names, arguments)) is None:
        return None
    order, arrays, numbers = sorted_
    kernel = _kernel(prefix, source, expression, headers, order, len(arrays), arrays[0].dtype)
    if kernel is None:
        return None
    out, count = empty(arrays[0]), arrays[0].numel()
    constants = (ctypes.c_double * len(numbers))(*numbers) if numbers else None
    kernel(*[t.data_ptr() for t in arrays], out.data_ptr(), constants, count, threads_for(count))
    return out


@cache
def _kernel(prefix, source, expression, headers, names, arrays: int, dtype: torch.dtype) -> Callable | None:
    library = load("numbers.h", *headers, text=source(expression, names, arrays))
    if library is None:
        return None
    kernel = getattr(library, prefix + NAMES[dtype])
    # With their types known, addresses go in as Python's own numbers.
    kernel.argtypes = [*[ctypes.c_void_p] * (arrays + 2), ctypes.c_long, ctypes.c_int]
    return kernel


def parameters(names: tuple[str, ...], tensors: int) -> tuple[str, str, str]:
    """In C: the arrays as parameters, the numbers as constants, and the elements at i as floats."""
    return (
        ", ".join(f"const T *restrict {name}_" for name in names[:tensors]),
        "".join(f"const float {name} = (float)numbers[{i}]; " for i, name in enumerate(names[tensors:])),
        "".join(f"const float {name} = get_##T({name}_[i]); " for name in names[:tensors]),
    )


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

"""A formula on every element in one pass over memory, compiled from an expression in C."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, threads_for, without_gaps

# From how many elements on compiled code pays, beside a formula of many steps, of some, and of two.
MANY, SOME, TWO = 1 << 9, 1 << 12, 1 << 14


@dataclass(frozen=True, eq=False)
class Expression:
    """A formula in C: of the arguments ``names``, with what the ``headers`` define."""

    text: str
    headers: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Kind:
    """What is compiled from an expression: functions called ``prefix`` and a type, and what they write into."""

    prefix: str
    source: Callable[[str, tuple[str, ...], int], str]
    empty: Callable[[Tensor], Tensor]
    headers: tuple[str, ...] = ()


def run(expression: Expression, arguments: tuple) -> Tensor | None:
    """The expression of the arguments; None where they do not fit the first, or nothing can be compiled."""
    return evaluate(_EACH, expression, arguments)


def evaluate(kind: Kind, expression: Expression, arguments: tuple) -> Tensor | None:
    """What is computed from the arguments: arrays of one type, and numbers.

    The first is an array; if it has holes, and where others do not lie as it does, or spread to its shape, they are
    laid out anew. A number may be a tensor without dimensions. One function for all of it, because from a cold start,
    as in a step of training, each call in Python takes as long as a thousand elements.
    """
    first = arguments[0]
    contiguous = first.is_contiguous()
    if not contiguous and not without_gaps(first):
        like = next(
            (a for a in arguments[1:] if isinstance(a, Tensor) and a.shape == first.shape and without_gaps(a)), None
        )
        first = first.contiguous() if like is None else torch.empty_like(like, dtype=first.dtype).copy_(first)
        contiguous = first.is_contiguous()
    dtype, shape = first.dtype, first.shape
    addresses, numbers, arrays, copies = [first.data_ptr()], [], [True], []
    for a in arguments[1:]:
        array = False
        if not isinstance(a, Tensor):
            numbers.append(a)
        elif a.dtype is dtype and a.shape == shape:
            if not a.is_contiguous() if contiguous else a.stride() != first.stride():
                a = torch.empty_like(first).copy_(a)
                copies.append(a)  # kept alive
            addresses.append(a.data_ptr())
            array = True
        elif a.dim() == 0:
            numbers.append(a.item())
        else:
            spread = _spread(a, first)
            if spread is None:
                return None
            copies.append(spread)
            addresses.append(spread.data_ptr())
            array = True
        arrays.append(array)
    kernel = _kernel(kind, expression, tuple(arrays), dtype)
    if kernel is None:
        return None
    out, count = kind.empty(first), first.numel()
    constants = (ctypes.c_double * len(numbers))(*numbers) if numbers else None
    kernel(*addresses, out.data_ptr(), constants, count, threads_for(count))
    return out


def _spread(tensor: Tensor, first: Tensor) -> Tensor | None:
    """The tensor over the shape of the first; None where it has another type, or does not spread to that shape."""
    sides = zip(tensor.shape[::-1], first.shape[::-1], strict=False)
    fits = tensor.dtype is first.dtype and tensor.dim() <= first.dim() and all(a in (1, b) for a, b in sides)
    return torch.empty_like(first).copy_(tensor) if fits else None


@cache
def _kernel(kind: Kind, expression: Expression, arrays: tuple[bool, ...], dtype: torch.dtype) -> Callable | None:
    # Arrays before numbers: as they are handed over.
    named = list(zip(expression.names, arrays, strict=True))
    names = [name for name, array in named if array] + [name for name, array in named if not array]
    source = kind.source(expression.text, tuple(names), sum(arrays))
    library = load("numbers.h", *kind.headers, *expression.headers, text=source)
    if library is None:
        return None
    kernel = getattr(library, kind.prefix + NAMES[dtype])
    # With their types known, addresses go in as Python's own numbers.
    kernel.argtypes = [*[ctypes.c_void_p] * (sum(arrays) + 2), ctypes.c_long, ctypes.c_int]
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


_EACH = Kind("run_", _source, torch.empty_like)

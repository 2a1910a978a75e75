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
    """What is compiled from an expression: functions called ``prefix`` and a type, and whether they write a number."""

    prefix: str
    source: Callable[[str, tuple[str, ...], int], str]
    number: bool = False
    headers: tuple[str, ...] = ()


def run(expression: Expression, arguments: tuple) -> Tensor | None:
    """The expression of the arguments; None where they do not fit the first, or nothing can be compiled."""
    return evaluate(_EACH, expression, arguments)


def evaluate(kind: Kind, expression: Expression, arguments: tuple) -> Tensor | None:
    """What is computed from the arguments: arrays of one type, and numbers.

    The first is an array, the model of the result; where others do not lie as it does, or spread to its shape, they are
    laid out anew, and so is the first if it has gaps that are not evenly apart. A number may be a tensor without
    dimensions. One function for all of it, because from a cold start, as in a step of training, each call in Python
    takes as long as a thousand elements.
    """
    model, runs = arguments[0], None
    contiguous = model.is_contiguous()
    if not contiguous and not without_gaps(model):
        model, runs, arguments = _modelled(*arguments)
        contiguous = model.is_contiguous()
    dtype, shape = model.dtype, model.shape
    addresses, numbers, arrays, kept, steps = [], [], [], [], []
    for a in arguments:
        array, lies = isinstance(a, Tensor) and (a.dim() > 0 or a.shape == shape), False
        if array:
            if a.dtype is not dtype or not (a.shape == shape or _spreads(a.shape, shape)):
                return None
            if runs is None and a.shape == shape:
                lies = a.is_contiguous() if contiguous else a.stride() == model.stride()
            if not lies and a is not model and not any(a.stride()):  # one number for all
                a, array = a.as_strided((), ()), False
        arrays.append(array)
        if not array:
            numbers.append(a.item() if isinstance(a, Tensor) else a)
            continue
        if runs is not None:
            a, step = _in_runs(a, shape, runs)
            steps.append(step)
        elif not lies:
            a = torch.empty_like(model).copy_(a)
        kept.append(a)
        addresses.append(a.data_ptr())
    kernel = _kernel(kind, expression, tuple(arrays), dtype)
    if kernel is None:
        return None
    if kind.number:
        out = torch.empty((), dtype=torch.float32)
    else:
        out = torch.empty_like(model) if runs is None else torch.empty(shape, dtype=dtype)
    constants = (ctypes.c_double * len(numbers))(*numbers) if numbers else None
    count, width, gaps = model.numel(), runs or 0, None
    if runs is not None:
        gaps = (ctypes.c_long * len(steps))(*steps)
    kernel(*addresses, out.data_ptr(), constants, gaps, width, count, threads_for(count))
    return out


def _modelled(first: Tensor, *others) -> tuple[Tensor, int | None, tuple]:
    """The model where the first has gaps, the width of its runs if it is read in some, and the arguments."""
    if runs := _runs(first):
        return first, runs[0], (first, *others)
    for a in others:
        if isinstance(a, Tensor) and a.shape == first.shape and without_gaps(a):
            return a, None, (first, *others)
    laid = first.contiguous()
    return laid, None, (laid, *others)


# Elements side by side from which on those with gaps between them are read where they lie.
_WIDTH = 1 << 6


def _runs(tensor: Tensor) -> tuple[int, int] | None:
    """How many elements follow one another, and how far it is to the next so many; None for few, or of other steps."""
    axis, width = tensor.dim(), 1
    while axis and tensor.stride(axis - 1) == width:
        axis -= 1
        width *= tensor.shape[axis]
    shape, stride = tensor.shape[:axis], tensor.stride()[:axis]
    even = all(stride[i] == stride[i + 1] * shape[i + 1] for i in range(axis - 1))
    return (width, stride[-1]) if width >= _WIDTH and axis and even else None


def _in_runs(tensor: Tensor, shape: torch.Size, width: int) -> tuple[Tensor, int]:
    """The tensor over this shape, in runs of ``width``, and how far it is from one to the next."""
    runs = _runs(tensor) if tensor.shape == shape else None
    if runs is not None and runs[0] == width:
        return tensor, runs[1]
    return tensor.expand(shape).contiguous(), width


def _spreads(shape: torch.Size, over: torch.Size) -> bool:
    sides = zip(shape[::-1], over[::-1], strict=False)
    return len(shape) <= len(over) and all(a in (1, b) for a, b in sides)


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
    kernel.argtypes = [*[ctypes.c_void_p] * (sum(arrays) + 3), ctypes.c_long, ctypes.c_long, ctypes.c_int]
    return kernel


def parameters(names: tuple[str, ...], tensors: int) -> tuple[str, str, str, str]:
    """In C: the arrays as parameters, the numbers as constants, where a row of each array begins, and the elements at
    i of a row as floats."""
    arrays = names[:tensors]
    return (
        ", ".join(f"const T *restrict {name}_" for name in arrays),
        "".join(f"const float {name} = (float)numbers[{i}]; " for i, name in enumerate(names[tensors:])),
        "".join(
            f"const T *restrict {name}_row = {name}_ + "
            f"(row_steps ? row_from / row_length * row_steps[{i}] : row_from); "
            for i, name in enumerate(arrays)
        ),
        "".join(f"const float {name} = get_##T({name}_row[i]); " for name in arrays),
    )


def _source(expression: str, names: tuple[str, ...], tensors: int) -> str:
    arrays, constants, rows, elements = parameters(names, tensors)
    return f"""
#define RUN(T)                                                                                                \\
    void run_##T({arrays}, T *restrict out, const double *numbers, const long *row_steps, long row_width,     \\
                 long n, int threads) {{                                                                      \\
        (void)numbers; {constants}                                                                            \\
        const long row_length = row_steps ? row_width : (n + threads - 1) / threads;                          \\
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                      \\
        for (long row_from = 0; row_from < n; row_from += row_length) {{                                      \\
            {rows} T *restrict row_out = out + row_from; const long row_end = least(row_length, n - row_from);     \\
            _Pragma("omp simd") for (long i = 0; i < row_end; i++) {{                                         \\
                {elements} row_out[i] = put_##T({expression}); }}                                                  \\
        }}                                                                                                    \\
    }}
RUN(float)
RUN(bfloat16)
"""


_EACH = Kind("run_", _source)

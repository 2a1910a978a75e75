"""The sum of a formula over all elements in one pass over memory, compiled from an expression in C."""

import torch
from torch import Tensor

from manualnet.native.elementwise import Expression, Kind, evaluate, parameters


def run(expression: Expression, arguments: tuple) -> Tensor | None:
    """The sum of the expression of the arguments, in float32; None as elementwise."""
    return evaluate(_SUM, expression, arguments)


def _number(_: Tensor) -> Tensor:
    return torch.empty((), dtype=torch.float32)


def _source(expression: str, names: tuple[str, ...], tensors: int) -> str:
    arrays, constants, elements = parameters(names, tensors)
    return f"""
enum {{ BLOCK = 512 }};
#define SUM(T)                                                                                          \\
    void sum_##T({arrays}, float *total, const double *numbers, long n, int threads) {{                 \\
        (void)numbers; {constants}                                                                      \\
        long blocks = (n + BLOCK - 1) / BLOCK;                                                          \\
        double sums[threads], sum = 0;                                                                  \\
        for (int t = 0; t < threads; t++) sums[t] = 0;                                                  \\
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {{                                 \\
            SHARE(blocks)                                                                               \\
            double own = 0;                                                                             \\
            for (long b = first; b < last; b++) {{                                                      \\
                long end = (b + 1) * BLOCK < n ? (b + 1) * BLOCK : n;                                   \\
                float part = 0;                                                                         \\
                _Pragma("omp simd reduction(+ : part)")                                                 \\
                for (long i = b * BLOCK; i < end; i++) {{ {elements} part += {expression}; }}           \\
                own += part;                                                                            \\
            }}                                                                                          \\
            sums[omp_get_thread_num()] = own;                                                           \\
        }}                                                                                              \\
        for (int t = 0; t < threads; t++) sum += sums[t];                                               \\
        *total = (float)sum;                                                                            \\
    }}
SUM(float)
SUM(bfloat16)
"""


_SUM = Kind("sum_", _source, _number, ("share.h",))

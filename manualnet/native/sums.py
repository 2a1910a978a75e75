"""The sum of a formula over all elements in one pass over memory, compiled from an expression in C."""

from torch import Tensor

from manualnet.native.elementwise import Expression, Kind, evaluate, parameters


def run(expression: Expression, arguments: tuple) -> Tensor | None:
    """The sum of the expression of the arguments, in float32; None as elementwise."""
    return evaluate(_SUM, expression, arguments)


def _source(expression: str, names: tuple[str, ...], tensors: int) -> str:
    arrays, constants, rows, elements = parameters(names, tensors)
    return f"""
enum {{ BLOCK = 512 }};
#define SUM(T)                                                                                                \\
    void sum_##T({arrays}, float *total, const double *numbers, const long *row_steps, long row_width, long n,\\
                 int threads) {{                                                                              \\
        (void)numbers; {constants}                                                                            \\
        const long share = ((n + BLOCK - 1) / BLOCK + threads - 1) / threads * BLOCK;                         \\
        const long row_length = row_steps ? row_width : share;                                                \\
        double sums[threads], sum = 0;                                                                        \\
        for (int t = 0; t < threads; t++) sums[t] = 0;                                                        \\
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                      \\
        for (long row_from = 0; row_from < n; row_from += row_length) {{                                      \\
            {rows} const long row_end = least(row_length, n - row_from);                                      \\
            double own = 0;                                                                                   \\
            for (long b = 0; b < row_end; b += BLOCK) {{                                                      \\
                const long end = least(b + BLOCK, row_end);                                                   \\
                float part = 0;                                                                               \\
                _Pragma("omp simd reduction(+ : part)")                                                       \\
                for (long i = b; i < end; i++) {{ {elements} part += {expression}; }}                         \\
                own += part;                                                                                  \\
            }}                                                                                                \\
            sums[omp_get_thread_num()] += own;                                                                \\
        }}                                                                                                    \\
        for (int t = 0; t < threads; t++) sum += sums[t];                                                     \\
        *total = (float)sum;                                                                                  \\
    }}
SUM(float)
SUM(bfloat16)
"""


_SUM = Kind("sum_", _source, number=True, headers=("share.h",))

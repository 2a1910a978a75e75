"""What the machine can do at best: the measured peak of its matrix products."""

import time
from collections.abc import Callable

import torch

from manualnet.functional._multiply import slow


def matmul_peak(
    dtype: torch.dtype, size: int = 2048, seconds: float = 0.3, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Floating-point operations a second of the fastest of some products of two square matrices.

    Half precision that the processor does not multiply is multiplied in float32, as manualnet does it.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, size, generator=generator).to(dtype) for _ in range(2))
    if slow(a):
        a, b = a.float(), b.float()
    out = torch.empty_like(a)
    torch.matmul(a, b, out=out)  # the first product also makes buffers and wakes threads
    taken: list[float] = []
    end = clock() + seconds
    while not taken or clock() < end:
        start = clock()
        torch.matmul(a, b, out=out)
        taken.append(clock() - start)
    return 2 * size**3 / min(taken)

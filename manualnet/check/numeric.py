"""Slopes by central differences in float64, each with an estimate of its own error.

With f at x ± h and x ± 2h, (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h differs from f'(x) by h⁴ f⁽⁵⁾/30 and by
round-off of 1e-16 |f| / h. Two step sizes that disagree show a kink or a jump nearby, where a numeric slope means
nothing.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh
from manualnet.check.spec import Sample

STEP = 1e-4
ROUGH = 1e-5  # relative disagreement of two step sizes that a smooth function at this step stays far below


def slope(f: Callable[[], float], x: Tensor, index: int) -> tuple[float, float]:
    """df/dx[index] and its estimated error; ``f`` reads ``x``, which is changed in place and put back."""
    element = view_of(x, index)
    kept = element.item()

    def stencil(h: float) -> float:
        at = {}
        for k in (-2, -1, 1, 2):
            element.fill_(kept + k * h)
            at[k] = f()
        return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)

    with torch.no_grad():
        coarse, fine = stencil(STEP), stencil(STEP / 2)
        element.fill_(kept)
    return coarse, abs(coarse - fine)


def view_of(x: Tensor, index: int) -> Tensor:
    """One element, by its place in reading order, as a tensor that shares its memory."""
    x = x.detach()
    for size in reversed(x.shape):
        index, at = divmod(index, size)
        x = x.select(-1, at)
    return x


def elements(x: Tensor, at_most: int, generator: torch.Generator) -> Iterator[int]:
    """Indices of ``at_most`` elements of a tensor, all of them if it has no more."""
    n = x.numel()
    yield from range(n) if n <= at_most else torch.randperm(n, generator=generator)[:at_most].tolist()


def off_kinks(function: Callable, sample: Sample) -> tuple[Sample, int]:
    """The sample with every element moved that lies on or close to a kink, a jump or a tie, and how many were.

    An element is close if the slope of a random projection of the result depends on the step size.
    """
    generator = torch.Generator().manual_seed(3)
    sample = fresh(sample)
    inputs = [t for t in sample.inputs if t.dtype == torch.float64]
    with torch.no_grad():
        upstream = cotangents(floats(call(function, sample)))

        def f() -> float:
            values = floats(call(function, sample))
            return sum(float((v * u).sum()) for v, u in zip(values, upstream, strict=True))

        moved = 0
        for x in inputs:
            for i in range(x.numel()):
                for attempt in range(5):
                    value, doubt = slope(f, x, i)
                    if not doubt > ROUGH * max(1.0, abs(value)):
                        break
                    step = (0.02 + 0.05 * torch.rand((), generator=generator).item()) * (-1) ** attempt
                    view_of(x, i).add_(step)
                    moved += attempt == 0
    return sample, moved

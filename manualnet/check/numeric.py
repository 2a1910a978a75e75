"""Slopes by central differences in float64, each with an estimate of its own error.

With f at x ± h and x ± 2h, (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h differs from f'(x) by h⁴ f⁽⁵⁾/30 and by
round-off of 1e-16 |f| / h. Two step sizes that disagree show a kink or a jump beside x, where a numeric slope means
nothing. A kink at x itself shows in the second difference over h, and one of the first derivative in the third
difference over h²: both shrink with h where the function is smooth, and stay where it is not.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh
from manualnet.check.spec import Sample

STEP = 1e-4
ROUGH = 1e-5  # far above what the differences below come to at this step where the function is smooth
ROUGH_SLOPE = 1e-3
SCANNED = 64  # elements of an input that slopes are asked of at most


def slope(f: Callable[[], float], x: Tensor, index: int) -> tuple[float, float]:
    """df/dx[index] and its estimated error; ``f`` reads ``x``, which is changed in place and put back."""
    at = _around(f, x, index, (-4, -2, -1, 1, 2, 4))
    coarse, fine = _central(at, 2), _central(at, 1)
    return coarse, abs(coarse - fine)


def at_kink(f: Callable[[], float], x: Tensor, index: int) -> bool:
    """Whether a kink, a jump, or a kink of the slope lies at or beside x[index]."""
    at = _around(f, x, index, (-4, -2, -1, 0, 1, 2, 4))
    slope = _central(at, 2)
    scale = max(1.0, abs(slope))
    if abs(slope - _central(at, 1)) > ROUGH * scale:
        return True
    far, near = ((at[k] - 2 * at[0] + at[-k]) / _width(k) for k in (2, 1))
    if abs(near - far / 2) > ROUGH * scale:
        return True
    far, near = ((at[2 * k] - 2 * at[k] + 2 * at[-k] - at[-2 * k]) / _width(k) ** 2 for k in (2, 1))
    return abs(near - far / 2) > ROUGH_SLOPE * max(scale, abs(at[0]))


def _around(f: Callable[[], float], x: Tensor, index: int, places: Iterable[int]) -> dict[int, float]:
    """f at x[index] + k STEP / 2 for each k of ``places``."""
    element = view_of(x, index)
    kept = element.item()
    at = {}
    with torch.no_grad():
        for k in places:
            element.fill_(kept + _width(k))
            at[k] = f()
        element.fill_(kept)
    return at


def _central(at: dict[int, float], k: int) -> float:
    return (8 * (at[k] - at[-k]) - (at[2 * k] - at[-2 * k])) / (12 * _width(k))


def _width(k: int) -> float:
    return k * (STEP / 2)


def view_of(x: Tensor, index: int) -> Tensor:
    """One element, by its place in reading order, as a tensor that shares its memory."""
    x = x.detach()
    for size in reversed(x.shape):
        index, at = divmod(index, size)
        x = x.select(-1, at)
    return x


def elements(x: Tensor, at_most: int) -> list[int]:
    """Indices of ``at_most`` elements, all if there are no more; fewer are always the first of more."""
    n = x.numel()
    return (
        list(range(n))
        if n <= at_most
        else torch.randperm(n, generator=torch.Generator().manual_seed(n))[:at_most].tolist()
    )


def _suspects(x: Tensor) -> list[int]:
    """The elements that slopes are asked of, and those that are 0 or equal to another, as at kinks and ties."""
    flat = x.detach().reshape(-1)
    _, inverse, counts = flat.unique(return_inverse=True, return_counts=True)
    special = ((counts[inverse] > 1) | (flat == 0)).nonzero().flatten()[:SCANNED].tolist()
    return list(dict.fromkeys([*elements(x, SCANNED), *special]))


def off_kinks(function: Callable, sample: Sample) -> tuple[Sample, int]:
    """The sample with every element moved that lies on or close to a kink, a jump or a tie, and how many were.

    What is looked at is a random projection of the result, as a function of one element at a time.
    """
    generator = torch.Generator().manual_seed(3)
    sample = fresh(sample)
    inputs = [t for t in sample.inputs if t.dtype == torch.float64]
    with torch.no_grad():
        upstream = cotangents(floats(call(function, fresh(sample))))

        def f() -> float:
            values = floats(call(function, fresh(sample)))  # it may write to its inputs
            return sum(float((v * u).sum()) for v, u in zip(values, upstream, strict=True))

        moved = 0
        for x in inputs:
            for i in _suspects(x):
                for attempt in range(5):
                    if not at_kink(f, x, i):
                        break
                    step = (0.02 + 0.05 * torch.rand((), generator=generator).item()) * (-1) ** attempt
                    view_of(x, i).add_(step)
                    moved += attempt == 0
    return sample, moved

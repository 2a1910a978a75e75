"""Compares tensors, remembers the worst error, and guesses what a wrong gradient lacks."""

import math

import torch
from torch import Tensor

from manualnet.check.property import Evidence, Fault

CLOSE = (
    1e-12  # relative to the largest element, in float64: reordered sums differ by some ulps, a wrong rule by far more
)


class Worst:
    """The largest error met, in units of what was allowed."""

    def __init__(self) -> None:
        self.error: float | None = None
        self.bound: float | None = None
        self.where = ""

    def meet(self, error: float, bound: float, where: str) -> None:
        if self.error is None or self.bound is None or error * self.bound > self.error * bound:
            self.error, self.bound, self.where = error, bound, where

    def evidence(self, why: str = "") -> Evidence:
        return Evidence(self.error, self.bound, self.where, why)

    def close(
        self,
        actual: Tensor,
        expected: Tensor,
        where: str,
        mend: str,
        tolerance: float = CLOSE,
        slack: Tensor | float = 0.0,
    ) -> None:
        """Meet the difference of two tensors, and raise a ``Fault`` if it is larger than ``tolerance`` times the
        largest expected element plus ``slack``. NaN equals NaN, infinity equals itself."""
        if actual.shape != expected.shape or actual.dtype != expected.dtype:
            got, want = (f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in (actual, expected))
            raise Fault(f"{where} is {got}, not {want}.", mend, where=where)
        if expected.numel() == 0:
            return
        wide, wanted = (t.detach().to(torch.float64) for t in (actual, expected))
        same = (wide == wanted) | (wide.isnan() & wanted.isnan())
        difference = torch.where(same, 0.0, (wide - wanted).abs())
        finite = wanted[wanted.isfinite()]
        bound = tolerance * max(1.0, finite.abs().max().item() if finite.numel() else 1.0) + torch.as_tensor(slack)
        ratio = torch.where(difference.isfinite(), difference / bound, math.inf)
        at = int(ratio.argmax())
        place = (
            where
            if expected.dim() == 0
            else f"{where} at {list(map(int, torch.unravel_index(torch.tensor(at), wide.shape)))}"
        )
        error, allowed = difference.flatten()[at].item(), bound.expand_as(wide).flatten()[at].item()
        self.meet(error, allowed, place)
        if ratio.flatten()[at] > 1:
            number, right = wide.flatten()[at].item(), wanted.flatten()[at].item()
            guess = diagnosis(wide, wanted, allowed)
            wrong = f"{place} is {', not '.join(_apart(number, right))}{'; ' + guess if guess else ''}."
            raise Fault(wrong, mend, where=place, error=error, bound=allowed)


def told(what: str, actual: Tensor, expected: Tensor, wrong: Tensor, whose: str) -> str:
    """A sentence of the first element that is ``wrong``: what it is, and ``whose`` it is not."""
    at = int(wrong.flatten().int().argmax())
    index = list(map(int, torch.unravel_index(torch.tensor(at), wrong.shape)))
    got, due = actual.flatten()[at].item(), expected.flatten()[at].item()
    found, wanted = _apart(got, due)
    return f"{what}{f' at {index}' if index else ''} is {found}, {whose} {wanted}."


def _apart(got: float, due: float) -> tuple[str, str]:
    """Both in so many digits that they differ."""
    digits = 6 if f"{got:.6g}" != f"{due:.6g}" else 17
    return f"{got:.{digits}g}", f"{due:.{digits}g}"


def diagnosis(actual: Tensor, expected: Tensor, tolerance: float = CLOSE) -> str:
    """What the difference looks like, if it looks like a usual slip."""
    finite = actual.isfinite() & expected.isfinite()
    if not finite.all():
        return f"{int((~finite).sum())} of {expected.numel()} elements are not finite in one of the two"

    def near(a: Tensor, b: Tensor) -> bool:
        return a.shape == b.shape and torch.allclose(a, b, rtol=1e-6, atol=max(1e-9, tolerance))

    if not actual.any():
        return "it is 0 throughout"
    if near(actual, -expected):
        return "every sign is flipped"
    if expected.dim() > 1 and any(near(actual, expected.transpose(i, -1)) for i in range(expected.dim() - 1)):
        return "it is the right one transposed"
    ratio = (actual * expected).sum() / (expected * expected).sum()
    if near(actual, ratio * expected) and ratio.isfinite() and abs(ratio - 1) > 1e-6:
        value = ratio.item()
        times = f"{round(value)}" if abs(value - round(value)) < 1e-6 and round(value) else f"{value:.6g}"
        inverse = (
            f", that is 1/{round(1 / value)}" if abs(value) < 1 and abs(1 / value - round(1 / value)) < 1e-6 else ""
        )
        return f"it is {times}{inverse} times the right one: a factor is missing or too many"
    wrong = int((~torch.isclose(actual, expected, rtol=1e-6, atol=max(1e-9, tolerance))).sum())
    return f"{wrong} of {expected.numel()} elements differ" if wrong and expected.numel() > 1 else ""

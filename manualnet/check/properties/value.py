"""Is the value right, in every precision?"""

from collections import defaultdict
from typing import NamedTuple

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, value_and_gradients
from manualnet.check.compare import Worst
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

FORWARD = "Compare the forward with the formula, and test it on numbers small enough to do by hand."
DRAWS = 24  # gradients at least: of few, the reference's may all be right by luck
MANY = 100_000  # elements, of which one draw has enough
ROUND_ONCE = "Compute in float32 and round once at the end; do not add up in half precision."


@claims("the value equals the reference's in float64", FORWARD)
def value(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.given:
        ours, theirs = (floats(call(f, fresh(sample))) for f in (subject.function, subject.reference))
        if len(ours) != len(theirs):
            raise Fault(f"{sample.label} gives {len(ours)} tensors, the reference {len(theirs)}.", FORWARD)
        for i, (y, expected) in enumerate(zip(ours, theirs, strict=True)):
            worst.close(y.detach(), expected.detach(), place("the value", i, ours, sample), FORWARD)
    return worst.evidence()


@claims(
    "value and gradient err, against float64, at most twice as far as the reference's plus one unit in the last place, "
    "in float32 and in bfloat16",
    ROUND_ONCE,
)
def precision(subject: Subject) -> Evidence:
    worst = Worst()
    for dtype in (torch.float32, torch.bfloat16):
        for errors in _errors(subject, dtype).values():
            # One sample's reference may be right by luck; over all of them it errs as far as its method does.
            theirs = max(e.theirs for e in errors)
            for e in errors:
                bound = (2 * theirs + 1) * e.unit
                worst.meet(e.ours * e.unit, bound, e.where)
                if e.ours * e.unit > bound:
                    wrong = f"{e.where} errs by {e.ours:.3g} units in the last place, the reference by {theirs:.3g}."
                    raise Fault(wrong, ROUND_ONCE, where=e.where, error=e.ours * e.unit, bound=bound)
    if worst.error is None:
        raise DoesNotApply("the samples have no elements")
    return worst.evidence()


class _Error(NamedTuple):
    ours: float  # in units of the last place of the largest element
    theirs: float
    unit: float
    where: str


def _errors(subject: Subject, dtype: torch.dtype) -> dict[str, list[_Error]]:
    """For the value and for the gradient of each input: the errors of every sample."""
    found: dict[str, list[_Error]] = defaultdict(list)
    kind = str(dtype).removeprefix("torch.")
    samples = [*subject.samples, *subject.large]
    for sample in samples:
        # Rounded first and widened again, all start from the same numbers.
        narrow = sample.map(lambda t: _cast(t, dtype))
        wide = narrow.map(lambda t: _cast(t, torch.float64))
        try:
            reference = floats(call(subject.reference, fresh(narrow)))
        except RuntimeError:
            continue  # what the reference refuses in this precision need not work
        draws = []
        elements = sum(t.numel() for t in narrow.tensors)
        for draw in range(-(-DRAWS // len(samples)) if elements < MANY else 1):
            upstream = cotangents(reference, 1 + draw)
            wide_upstream = [u.double() for u in upstream]
            draws.append(
                [
                    [t for group in value_and_gradients(f, s, u) for t in group]
                    for s, u in ((narrow, upstream), (wide, wide_upstream))
                    for f in (subject.function, subject.reference)
                ]
            )
        # Draws of one sample are taken together: where a sum cancels in one of them, its unit would be too small.
        ours, theirs, ours_wide, exact = (
            [torch.stack(ts) for ts in zip(*way, strict=True)] for way in zip(*draws, strict=True)
        )
        for i, (a, t, w, e) in enumerate(zip(ours, theirs, ours_wide, exact, strict=True)):
            if not torch.allclose(w, e, equal_nan=True):
                continue  # wrong in every precision, which other properties say
            what = "the value" if i < len(reference) else f"the gradient of input {i - len(reference)}"
            where = f"{what} in {kind}{' of ' + sample.label if sample.label else ''}"
            if a.dtype != t.dtype:
                raise Fault(f"{where} is {a.dtype}, the reference's {t.dtype}.", "Give back the dtype that came in.")
            if a.numel():
                unit = torch.finfo(a.dtype).eps * _largest(e) or torch.finfo(a.dtype).tiny
                found[what].append(
                    _Error(_largest(a.double() - e) / unit, _largest(t.double() - e) / unit, unit, where)
                )
    return found


def _cast(t: Tensor, dtype: torch.dtype) -> Tensor:
    return t.detach().to(dtype).requires_grad_(t.requires_grad) if t.is_floating_point() else t


def _largest(t: Tensor) -> float:
    return t.abs().max().item()


def place(what: str, index: int, among: list, sample: Sample) -> str:
    """Which tensor of which sample."""
    number = f" {index}" if len(among) > 1 else ""
    return f"{what}{number}{' of ' + sample.label if sample.label else ''}"

"""Does it bear infinities, NaN and numbers that overflow on the way?"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from manualnet.check.calls import fresh, of, value_and_gradients
from manualnet.check.compare import told
from manualnet.check.numeric import view_of
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

EXP = (
    "Take exp of numbers that are not positive: subtract the maximum first, use logaddexp, softplus, logsigmoid or "
    "log_softmax, or choose with torch.where between two forms, fed so that the unused one stays finite, too."
)
PASS_ON = (
    "Let NaN and infinities through: torch.where(x < 0, 0, x) keeps the NaN that torch.where(x > 0, x, 0) loses; and "
    "leave out with torch.where what would be multiplied by 0."
)
SCALE = "Divide by the largest first, as torch.hypot and logsumexp do: what is squared or multiplied up overflows."
LARGE = (1e4, -1e4)
NONE = (math.inf, -math.inf, math.nan)
HUGE = (1e30, -1e30, 1e-30)  # compared by kind alone, finite, infinite or NaN: their differences are round-off
STEEP = (30.0, -30.0, 100.0, -100.0, 200.0, -200.0)  # float32 cannot hold exp(100), float64 can
ROUNDINGS = 10  # of a number of 1e4: what rounds in another order may differ by as much
CALLS = 8  # samples; what happens out there hardly depends on the shape
VALUE = "the value"


class Case(NamedTuple):
    sample: Sample
    where: str
    number: float  # the extreme one


@claims(
    "infinities, NaN, huge and tiny numbers give what they give the reference; without one, numbers "
    "of 30 to 200 do not overflow",
    EXP,
)
def extremes(subject: Subject) -> Evidence:
    # What is wrong anywhere is not to be blamed for how it is wrong out there.
    alone = subject.spec.reference is None or not subject.is_right
    cases = 0
    for case in _cases(subject, alone):
        cases += _overflow(subject, case) if alone else _compare(subject, case)
    if not cases:
        raise DoesNotApply("no sample has a number to change")
    return Evidence(why=f"{cases} calls with numbers far out")


def _cases(subject: Subject, alone: bool) -> Iterator[Case]:
    for dtype in (torch.float32,) if alone else (torch.float32, torch.float64):
        for sample in subject.extremes:
            yield Case(_cast(sample, dtype), f"{_plain(dtype)}{of(sample)}", LARGE[0])
        for sample in subject.few(CALLS):
            numbers = STEEP if alone else (*LARGE, *NONE, *HUGE)
            yield from _changed(_cast(sample, dtype), f"{_plain(dtype)}{of(sample)}", numbers)


def _changed(sample: Sample, name: str, numbers: Sequence[float]) -> Iterator[Case]:
    """One element of a differentiable input replaced, or all of them."""
    for i, x in enumerate(sample.inputs):
        for j, number in enumerate(numbers) if x.numel() else ():
            for every in (False, True) if number in (*LARGE, *STEEP) else (False,):
                inputs = list(fresh(sample).inputs)
                with torch.no_grad():
                    (inputs[i] if every else view_of(inputs[i], j * 5 % x.numel())).fill_(number)
                place = "all elements" if every else "an element"
                yield Case(sample.with_inputs(inputs), f"{name} with {number:g} in {place} of input {i}", number)


def _compare(subject: Subject, case: Case) -> int:
    """The number of comparisons, if none failed."""
    try:
        theirs = _results(subject.reference, case.sample)
    except Exception:
        return 0  # what the reference refuses has nothing to be compared with
    ours = _tried(subject.function, case)
    noise: list[dict[str, Tensor]] = []
    for name, expected in theirs.items():
        actual = ours[name]
        wrong = ~_agree(actual, expected, case.number, name)
        if wrong.any():
            # Rounding the inputs anew shows how far the reference itself is to be believed here.
            noise = noise or [_results(subject.reference, _rounded(case.sample, seed)) for seed in range(3)]
            spread = max((n[name] - expected).abs().nan_to_num(0.0, 0.0).max().item() for n in noise)
            wrong &= ~(actual.isfinite() & expected.isfinite() & ((actual - expected).abs() <= 10 * spread))
        if wrong.any():
            raise _fault(f"in {case.where}, {name}", actual, expected, wrong, "the reference's", case.number)
    return 1


def _agree(actual: Tensor, expected: Tensor, number: float, name: str) -> Tensor:
    same = (actual == expected) | (actual.isnan() & expected.isnan())
    finite = actual.isfinite() & expected.isfinite()
    if not math.isfinite(number) and not name.startswith(VALUE):
        # The gradient of what is no number is worth no more than that it spoils nothing that the reference spares.
        same |= ~expected.isfinite()
    if number in HUGE:
        return same | finite
    largest = expected[expected.isfinite()].abs().max().item() if expected.isfinite().any() else 0.0
    return same | (
        finite & ((actual - expected).abs() <= ROUNDINGS * torch.finfo(expected.dtype).eps * max(LARGE[0], largest))
    )


def _overflow(subject: Subject, case: Case) -> int:
    """The same without a reference: float32 must give a number where float64 gives one that float32 can hold."""
    try:
        narrow, wide = (_results(subject.function, s) for s in (case.sample, _cast(case.sample, torch.float64)))
    except Exception:
        return 0  # it may refuse float32, or such numbers
    for name, expected in wide.items():
        wrong = expected.isfinite() & (expected.abs() < torch.finfo(torch.float32).max / 10) & ~narrow[name].isfinite()
        if wrong.any():
            raise _fault(f"in {case.where}, {name}", narrow[name], expected, wrong, "in float64", case.number)
    return 1


def _fault(what: str, actual: Tensor, expected: Tensor, wrong: Tensor, whose: str, number: float) -> Fault:
    overflown = not bool(actual[wrong][0].isfinite()) or math.isfinite(number)
    mend = PASS_ON if not overflown else SCALE if number in HUGE else EXP
    return Fault(told(what, actual, expected, wrong, whose), mend, where=what)


def _tried(function: Callable, case: Case) -> dict[str, Tensor]:
    try:
        return _results(function, case.sample)
    except Exception as error:
        raise Fault(f"in {case.where}, it raises {short(error)}.", EXP, where=case.where) from error


def _results(function: Callable, sample: Sample) -> dict[str, Tensor]:
    values, grads = value_and_gradients(function, sample)
    named = {VALUE if len(values) == 1 else f"{VALUE} {i}": v for i, v in enumerate(values)}
    return named | {f"the gradient of input {i}": g for i, g in enumerate(grads)}


def _cast(sample: Sample, dtype: torch.dtype) -> Sample:
    return sample.map(lambda t: t.detach().to(dtype).requires_grad_(t.requires_grad) if t.is_floating_point() else t)


def _rounded(sample: Sample, seed: int) -> Sample:
    """Every number at random up to two units in the last place away."""
    generator = torch.Generator().manual_seed(seed)

    def shake(t: Tensor) -> Tensor:
        if not t.is_floating_point():
            return t
        away = (torch.rand(t.shape, generator=generator, dtype=t.dtype) * 4 - 2) * torch.finfo(t.dtype).eps
        return (t.detach() * (1 + away)).requires_grad_(t.requires_grad)

    return sample.map(shake)


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

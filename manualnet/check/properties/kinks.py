"""Does it follow its convention where the derivative is one?"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from manualnet.check.calls import call, cotangents, floats, fresh, of, value_and_gradients
from manualnet.check.compare import CLOSE, told
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Kink, Sample
from manualnet.check.subject import Subject

CONVENTION = (
    "A strict comparison, x > 0, gives slope 0 at the kink, x >= 0 the slope from above; at a tie argmax picks one, "
    "torch.maximum shares. Follow the reference, or state your convention as a Kink with like_reference=False."
)
CALLS = 6  # samples to move to each kind of point
PARAMETERS = 4  # numbers of a call to move them to


@claims("where the derivative is a convention, it is the stated one, or else the reference's", CONVENTION)
def kinks(subject: Subject) -> Evidence:
    for kink in subject.kinks:
        _stated(subject, kink)
    points = 0
    if subject.spec.reference is not None and all(k.like_reference for k in subject.kinks):
        if not subject.is_right:
            raise DoesNotApply("the value or the gradient is not the reference's away from kinks either")
        points = sum(_like_reference(subject, where, point) for where, point in _points(subject))
    if subject.spec.reference is None and not subject.kinks:
        for where, point in _points(subject):
            _is_a_number(subject.function, where, point)
    if not subject.kinks and not points:
        raise DoesNotApply("there is neither a stated kink nor a reference to compare with")
    return Evidence(why=f"{len(subject.kinks)} stated, {points} likely ones compared with the reference")


def _stated(subject: Subject, kink: Kink) -> None:
    where = f"at the kink{of(kink.sample)}"
    ours = _with_ones(subject.function, kink.sample)
    _compare(([], ours[1]), ([], list(kink.gradients)), where, "by the convention")
    if kink.like_reference and subject.spec.reference is not None:
        _compare(ours, _with_ones(subject.reference, kink.sample), where, "the reference's")


def _points(subject: Subject) -> Iterator[tuple[str, Sample]]:
    """Where a kink or a tie is likely."""
    for given, moved in zip(subject.given, subject.samples, strict=True):
        if given is not moved:
            yield f"at the numbers as they came{of(given)}", given
    for sample in subject.few(CALLS):
        for what, change in (POINTS | _parameters(sample)).items():
            for i in range(len(sample.inputs)):
                yield f"at {what} in input {i}{of(sample)}", _at(sample, {i}, change)
            if len(sample.inputs) > 1:
                yield f"at {what} in all inputs{of(sample)}", _at(sample, set(range(len(sample.inputs))), change)


def _each(*numbers: float) -> Callable[[Tensor], Tensor]:
    """The same numbers again and again, in the form of a tensor."""
    return lambda t: torch.tensor(numbers).repeat(t.numel() // len(numbers) + 1)[: t.numel()].reshape(t.shape).to(t)


POINTS = {
    "0": _each(0.0),
    "-0.0": _each(-0.0),
    "1": _each(1.0),
    "-1": _each(-1.0),
    "-1, 0, 1": _each(-1.0, 0.0, 1.0),
    "-1, -0.5, 0, 0.5, 1": _each(-1.0, -0.5, 0.0, 0.5, 1.0),
}


def _parameters(sample: Sample) -> dict[str, Callable[[Tensor], Tensor]]:
    """The plain numbers of a call, such as bounds and margins, and what they are below 0."""
    leaves = pytree.tree_leaves((sample.args, sample.kwargs))
    numbers = [float(a) for a in leaves if type(a) in (int, float) and abs(a) < 100][:PARAMETERS]
    return {f"{n:g}": _each(n) for number in numbers for n in (number, -number) if abs(n) not in (0.0, 1.0)}


def _at(sample: Sample, chosen: set[int], change: Callable[[Tensor], Tensor]) -> Sample:
    inputs = fresh(sample).inputs
    return sample.with_inputs([change(t.detach()).requires_grad_() if i in chosen else t for i, t in enumerate(inputs)])


def _like_reference(subject: Subject, where: str, point: Sample) -> int:
    """The number of points compared."""
    try:
        theirs = _with_ones(subject.reference, point)
    except Exception:
        return 0  # outside its domain
    try:
        ours = _with_ones(subject.function, point)
    except Exception as error:
        raise Fault(f"{where}, it raises {short(error)}.", CONVENTION, where=where) from error
    _compare(ours, theirs, where, "the reference's")
    # Some gradients vanish for a cotangent of ones.
    upstream = cotangents(theirs[0])
    ours, theirs = (value_and_gradients(f, point, upstream) for f in (subject.function, subject.reference))
    _compare(ours, theirs, f"{where} with random cotangents", "the reference's")
    return 1


def _is_a_number(function: Callable, where: str, point: Sample) -> None:
    """What can be said without a reference: where the value is finite, the gradient is no NaN."""
    try:
        values, grads = _with_ones(function, point)
    except Exception:
        return  # outside its domain
    for i, g in enumerate(grads):
        if g.isnan().any() and all(v.isfinite().all() for v in values):
            wrong = f"{where}, the gradient of input {i} is nan, where the value is finite."
            raise Fault(wrong, f"Choose a slope there with torch.where, or by torch.sign in x / |x|. {CONVENTION}")


def _with_ones(function: Callable, sample: Sample) -> tuple[list[Tensor], list[Tensor]]:
    with torch.no_grad():
        upstream = [torch.ones_like(v) for v in floats(call(function, fresh(sample)))]
    return value_and_gradients(function, sample, upstream)


def _compare(ours: tuple, theirs: tuple, where: str, whose: str) -> None:
    values, grads = (list(zip(*pair, strict=True)) for pair in zip(ours, theirs, strict=True))
    named = [("the value", *pair) for pair in values]
    named += [(f"the gradient of input {i}", *pair) for i, pair in enumerate(grads)]
    for name, actual, expected in named:
        wrong = ~torch.isclose(actual, expected.to(actual.dtype), rtol=CLOSE, atol=CLOSE, equal_nan=True)
        if wrong.any():
            raise Fault(told(f"{where}, {name}", actual, expected, wrong, whose), CONVENTION, where=where)

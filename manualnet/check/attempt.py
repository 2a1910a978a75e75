"""Runs a test over samples, where what the reference refuses need not work."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from manualnet.check.property import DoesNotApply, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

T = TypeVar("T")


def attempt(subject: Subject, run: Callable[[Callable], T]) -> T:
    """What ``run`` gives for the function; if it raises for the reference too, this does not apply."""
    try:
        return run(subject.function)
    except Exception:
        if subject.spec.reference is None:
            raise
        try:
            run(subject.reference)
        except Exception as error:
            raise DoesNotApply(f"the reference does not either: {short(error)}") from None
        raise


def eagerly(run: Callable[[], T]) -> T:
    """What ``run`` gives, where other properties speak of what it raises."""
    try:
        return run()
    except Exception as error:
        raise DoesNotApply(f"eagerly it raises {short(error)}") from None


def each(samples: Sequence[Sample], test: Callable[[Sample], object]) -> None:
    """Test every sample; the property does not apply if it applies to none of them."""
    reasons = [reason for s in samples if (reason := _why_not(test, s))]
    if reasons and len(reasons) == len(samples):
        raise reasons[0]


def _why_not(test: Callable[[Sample], object], sample: Sample) -> DoesNotApply | None:
    try:
        test(sample)
    except DoesNotApply as reason:
        return reason
    return None

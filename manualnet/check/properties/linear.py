"""Is the gradient linear in the cotangent, as a product with a Jacobian is?"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of
from manualnet.check.compare import CLOSE, Worst
from manualnet.check.property import Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

LINEAR = (
    "Backward multiplies the cotangent by the Jacobian, whatever its numbers are: do not clamp or round it, or ask "
    "whether it is 1. Where it is meant to, as gradient clipping is, skip this property."
)
NONE = (
    "With ctx.set_materialize_grads(False) the cotangent of a result that nobody uses is None: add up what the others "
    "give, or leave the zeros to autograd."
)
LARGE = 2.0**16  # where the scale of a loss begins that keeps half precision from underflowing


@claims("the gradient is linear in the cotangent: in large ones, in ones, and in those of one result alone", LINEAR)
def linear_in_cotangent(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.samples:
        taken = fresh(sample)
        values = floats(call(subject.function, taken))
        upstream = cotangents(values)

        def gradient(
            *given: Tensor, values: Sequence[Tensor] = values, inputs: Sequence[Tensor] = taken.inputs
        ) -> list[Tensor]:
            # A rule may write to its cotangent, which is for another property to say.
            return gradients(values, inputs, [u.clone() for u in given])

        once = gradient(*upstream)
        large = gradient(*(LARGE * u for u in upstream))
        _equal(worst, large, [LARGE * g for g in once], f"for cotangents {LARGE:.0f} times as large", sample, LINEAR)
        _in_two(worst, gradient, upstream, once, sample)
        if len(values) > 1:
            _one_by_one(worst, values, upstream, once, taken)
    return worst.evidence()


def _in_two(
    worst: Worst, gradient: Callable, upstream: Sequence[Tensor], once: Sequence[Tensor], sample: Sample
) -> None:
    """Ones, as a loss is given, and what is missing to the cotangents."""
    ones = gradient(*map(torch.ones_like, upstream))
    rest = gradient(*(u - 1 for u in upstream))
    where = "for cotangents of 1, and those of what is missing to others, together"
    slack = [CLOSE * (a.abs() + b.abs()) for a, b in zip(ones, rest, strict=True)]
    _equal(worst, [a + b for a, b in zip(ones, rest, strict=True)], once, where, sample, LINEAR, slack)


def _one_by_one(
    worst: Worst, values: Sequence[Tensor], upstream: Sequence[Tensor], once: Sequence[Tensor], sample: Sample
) -> None:
    def alone(k: int) -> list[Tensor]:
        try:
            return gradients([values[k]], sample.inputs, [upstream[k]])
        except Exception as error:
            raise Fault(f"with result {k} alone in use{of(sample)}, backward raises {short(error)}.", NONE) from error

    parts = [alone(k) for k in range(len(values))]
    together = [torch.stack(gs) for gs in zip(*parts, strict=True)]
    where = "with one result in use after another, together"
    slack = [CLOSE * gs.abs().sum(0) for gs in together]
    _equal(worst, [gs.sum(0) for gs in together], once, where, sample, NONE, slack)


def _equal(
    worst: Worst,
    found: Sequence[Tensor],
    expected: Sequence[Tensor],
    where: str,
    sample: Sample,
    mend: str,
    slack: Sequence[Tensor] | None = None,
) -> None:
    for i, (a, e) in enumerate(zip(found, expected, strict=True)):
        margin = 0.0 if slack is None else slack[i]
        worst.close(a.detach(), e, f"{where}, the gradient of input {i}{of(sample)}", mend, slack=margin)

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
        where = f"for cotangents {LARGE:.0f} times as large"
        for i, (large, g) in enumerate(zip(gradient(*(LARGE * u for u in upstream)), once, strict=True)):
            worst.close(large, LARGE * g, _of(where, i, sample), LINEAR)
        _in_two(worst, gradient, upstream, once, sample)
        if len(values) > 1:
            _one_by_one(worst, values, upstream, once, taken)
    return worst.evidence()


def _in_two(
    worst: Worst, gradient: Callable, upstream: Sequence[Tensor], once: Sequence[Tensor], sample: Sample
) -> None:
    """Ones, as a loss is given, and what is missing to the cotangents."""
    parts = [gradient(*map(torch.ones_like, upstream)), gradient(*(u - 1 for u in upstream))]
    where = "for cotangents of 1, and those of what is missing to others, together"
    _add_up(worst, parts, once, where, sample, LINEAR)


def _one_by_one(
    worst: Worst, values: Sequence[Tensor], upstream: Sequence[Tensor], once: Sequence[Tensor], sample: Sample
) -> None:
    def alone(k: int) -> list[Tensor]:
        try:
            return gradients([values[k]], sample.inputs, [upstream[k]])
        except Exception as error:
            raise Fault(f"with result {k} alone in use{of(sample)}, backward raises {short(error)}.", NONE) from error

    parts = [alone(k) for k in range(len(values))]
    _add_up(worst, parts, once, "with one result in use after another, together", sample, NONE)


def _add_up(
    worst: Worst, parts: Sequence[list[Tensor]], once: Sequence[Tensor], where: str, sample: Sample, mend: str
) -> None:
    """The sum of the gradients of the parts is that of the whole, where the parts themselves may be far larger."""
    for i, (gs, e) in enumerate(zip(zip(*parts, strict=True), once, strict=True)):
        each = torch.stack(gs)
        worst.close(each.sum(0), e, _of(where, i, sample), mend, slack=CLOSE * each.abs().sum(0))


def _of(where: str, i: int, sample: Sample) -> str:
    return f"{where}, the gradient of input {i}{of(sample)}"

"""Are the first and the second derivative right?"""

from collections.abc import Iterable

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, value_and_gradients
from manualnet.check.compare import Worst
from manualnet.check.numeric import SCANNED, elements, slope
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

NUMERIC = 1e-7  # of the largest slope; central differences of fourth order reach 1e-9 where the function is smooth
FIRST = "Derive the backward anew, and check each factor against the formula."
MEANT = " Where it is meant to differ, as a straight-through estimator's or a reversed one, skip this property."
SECOND = (
    "Save only inputs and outputs: a tensor computed in forward and saved carries no gradient, so compute it again in "
    "backward or make it an output; and build backward from differentiable operations of saved tensors."
)


@claims("the gradient equals the reference's for random cotangents", FIRST)
def gradient(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.samples:
        _, ours = value_and_gradients(subject.function, sample)
        _, theirs = value_and_gradients(subject.reference, sample)
        for i, (g, expected) in enumerate(zip(ours, theirs, strict=True)):
            worst.close(g, expected, of_input(i, sample), FIRST)
        recorded = fresh(sample)
        values = floats(call(subject.function, recorded))
        slow = gradients(values, recorded.inputs, cotangents(values), create_graph=True)
        for i, (g, expected) in enumerate(zip(slow, theirs, strict=True)):
            worst.close(g.detach(), expected, f"{of_input(i, sample)} with create_graph", FIRST)
    return worst.evidence()


@claims("the gradient equals the numeric one", FIRST + MEANT)
def numeric_gradient(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.samples:
        sample, taken = fresh(sample), fresh(sample)
        values = floats(call(subject.function, taken))
        upstream = cotangents(values)
        analytic = gradients(values, taken.inputs, _copies(upstream))
        if any(v.requires_grad for v in values):
            # What is marked as not differentiable is a constant to autograd, such as a statistic beside the result.
            upstream = [u * v.requires_grad for u, v in zip(upstream, values, strict=True)]

        def f(sample: Sample = sample, upstream: list[Tensor] = upstream) -> float:
            values = floats(call(subject.function, fresh(sample)))
            return sum(float((v * u).sum()) for v, u in zip(values, upstream, strict=True))

        for i, (x, g) in enumerate(zip(sample.inputs, analytic, strict=True)):
            _against_differences(worst, f, x, g, SCANNED, of_input(i, sample), FIRST + MEANT)
    return worst.evidence()


@claims("the second derivative equals the numeric derivative of the gradient", SECOND)
def second_derivative(subject: Subject) -> Evidence:
    if any(getattr(rule.backward, "__wrapped__", None) for rule in subject.rules):
        raise DoesNotApply("its backward is declared once_differentiable")
    worst = Worst()
    for sample in subject.samples:
        sample = fresh(sample)
        values = floats(call(subject.function, sample))
        if not any(v.requires_grad for v in values):
            continue
        upstream = [u.requires_grad_() for u in cotangents(values)]
        first = gradients(values, sample.inputs, _copies(upstream), create_graph=True)
        weights = cotangents(first, seed=2)
        every = [*sample.inputs, *upstream]
        analytic = gradients(first, every, weights)

        def f(sample: Sample = sample, upstream: list[Tensor] = upstream, weights: list[Tensor] = weights) -> float:
            with torch.enable_grad():
                values = floats(call(subject.function, sample))
                first = gradients(values, sample.inputs, _copies(u.detach() for u in upstream))
            return sum(float((g * w).sum()) for g, w in zip(first, weights, strict=True))

        for i, (x, g) in enumerate(zip(every, analytic, strict=True)):
            which = f"input {i}" if i < len(sample.inputs) else "the cotangent"
            where = f"the second derivative by {which}{' of ' + sample.label if sample.label else ''}"
            try:
                _against_differences(worst, f, x, g, 12, where, SECOND)
            except Fault as fault:
                fault.mend = _saved_intermediates(subject, sample) or SECOND
                raise
    if worst.error is None:
        raise DoesNotApply("no output depends on an input")
    return worst.evidence()


def _copies(upstream: Iterable[Tensor]) -> list[Tensor]:
    """A rule may write to its cotangent, which is for another property to say."""
    return [u.clone() for u in upstream]


def _against_differences(worst: Worst, f, x: Tensor, analytic: Tensor, at_most: int, where: str, mend: str) -> None:
    """Compare ``analytic`` with the slopes of ``f`` along some elements of ``x``."""
    indices = elements(x, at_most)
    if not indices:
        return
    found = torch.tensor([slope(f, x, i) for i in indices], dtype=torch.float64)
    picked = analytic.detach().reshape(-1)[torch.tensor(indices)]
    if len(indices) == x.numel():
        found, picked = found.reshape(*x.shape, 2), picked.reshape(x.shape)
    # Where two step sizes disagree, their difference is what the numeric slope is worth.
    worst.close(picked, found[..., 0], where, mend, NUMERIC, slack=10 * found[..., 1])


def _saved_intermediates(subject: Subject, sample: Sample) -> str:
    """The advice for a Function that saves what it computed, if this one does."""
    y = floats(call(subject.function, s := fresh(sample)))
    known = {t.data_ptr() for t in (*s.tensors, *y)}
    for v in y:
        saved = getattr(v.grad_fn, "saved_tensors", ()) or ()
        if any(t is not None and t.numel() and t.data_ptr() not in known for t in saved):
            return f"{type(v.grad_fn).__name__} saves a tensor that is neither an input nor an output. {SECOND}"
    return ""


def of_input(i: int, sample: Sample) -> str:
    return f"the gradient of input {i}{' of ' + sample.label if sample.label else ''}"

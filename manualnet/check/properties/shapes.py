"""Is what broadcasting copied summed back?"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of
from manualnet.check.compare import CLOSE, Worst
from manualnet.check.nodes import around_rules, as_tuple, input_forms, rule_name
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

SUM = (
    "Broadcasting copies a value, and its gradient is the sum over the copies: return grad.sum_to_size(x.shape) with x "
    "the input that was stretched."
)

Shape = tuple[int, ...]


@claims("what broadcasting copied gets the sum of its gradients, and the rule itself gives it the input's shape", SUM)
def broadcasting(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.samples:
        if len(sample.tensors) > 1:  # one alone meets nothing larger
            _as_given(subject, sample)
            for i, x in enumerate(sample.inputs):
                own = tuple(x.shape)
                # What fits none of the others, as the bias of a layer, is not meant to be stretched.
                larger = {s for t in sample.tensors if t is not x and _fits(own, s := tuple(t.shape))}
                for small in _smaller(own) if larger else ():
                    _broadcast(subject, sample, i, small, own, worst)
                for full in sorted(larger - {own}):
                    _broadcast(subject, sample, i, own, full, worst)
    if worst.error is None:
        raise DoesNotApply("no input can be stretched by broadcasting")
    return worst.evidence()


def _smaller(full: Shape) -> Iterator[Shape]:
    """Shapes that broadcast to ``full``: one axis of size 1 or all, or the leading axes missing."""
    found = {tuple(1 if j == axis else n for j, n in enumerate(full)) for axis in range(len(full))}
    found |= {full[k:] for k in range(1, len(full) + 1)} | {(1,) * len(full)}
    yield from sorted(found - {full})


def _fits(small: Shape, full: Shape) -> bool:
    try:
        return torch.broadcast_shapes(small, full) == full
    except RuntimeError:
        return False


def _as_given(subject: Subject, sample: Sample) -> None:
    taken = fresh(sample)
    values = floats(call(subject.function, taken))
    _recorded(values, taken, cotangents(values), f"with tensors of the shapes {_listed(sample)}", sample)


def _listed(sample: Sample) -> str:
    return " and ".join(str(tuple(t.shape)) for t in sample.tensors)


def _recorded(
    values: Sequence[Tensor], taken: Sample, upstream: Sequence[Tensor], where: str | None, sample: Sample
) -> list[Tensor] | None:
    """The gradients, ``None`` if a rule refuses these shapes; unless ``where`` is ``None``, every rule has to give
    them in the shapes of its inputs."""
    raw: list[tuple[Any, tuple]] = []

    def keep(node, cotangents: tuple, run: Callable):
        raw.append((node, as_tuple(returned := run())))
        return returned

    found = None
    with suppress(Exception), around_rules(keep):
        found = gradients(values, taken.inputs, upstream)
    if where is not None:
        _shapes(raw, where, sample)
    return found


def _broadcast(subject: Subject, sample: Sample, i: int, shape: Shape, full: Shape, worst: Worst) -> None:
    """Compare a small input with the same numbers stretched, where the function makes no difference between them."""
    if 0 in full or not all(_alike(subject.function, *_pair(sample, i, shape, full, by)) for by in (1.0, 0.9)):
        return
    small, stretched = _pair(sample, i, shape, full)
    where = f"with input {i} of shape {shape} in the place of {full}"
    values = floats(call(subject.function, small))
    upstream = cotangents(values)
    actual = _recorded(values, small, upstream, where, sample)
    expected = _recorded(floats(call(subject.function, stretched)), stretched, upstream, None, sample)
    if actual is None or expected is None:
        return  # that backward refuses such shapes does no harm
    for k, (a, e) in enumerate(zip(actual, expected, strict=True)):
        worst.close(a, e.sum_to_size(a.shape), f"{where}, the gradient of input {k}{of(sample)}", SUM)


def _pair(sample: Sample, i: int, shape: Shape, full: Shape, factor: float = 1.0) -> tuple[Sample, Sample]:
    """The sample with input ``i`` cut to ``shape``, and with that stretched to ``full``."""
    inputs = list(fresh(sample).inputs)
    cut = inputs[i].detach()[(0,) * (inputs[i].dim() - len(shape))][tuple(slice(n) for n in shape)] * factor
    pair = []
    for t in (cut, cut.expand(full).contiguous()):
        inputs[i] = t.requires_grad_()
        pair.append(fresh(sample.with_inputs(inputs)))
    return pair[0], pair[1]


def _alike(function: Callable, small: Sample, stretched: Sample) -> bool:
    try:
        with torch.no_grad():
            ours, theirs = (floats(call(function, s)) for s in (small, stretched))
    except Exception:
        return False

    def same(a: Tensor, b: Tensor) -> bool:
        return a.shape == b.shape and torch.allclose(a, b, rtol=CLOSE, atol=CLOSE)

    return len(ours) == len(theirs) and all(map(same, ours, theirs))


def _shapes(raw: list[tuple[Any, tuple]], where: str, sample: Sample) -> None:
    """The engine sums a gradient that is too large; who calls the rule in another way does not."""
    for node, returned in raw:
        for k, (g, form) in enumerate(zip(returned, input_forms(node), strict=False)):
            if form is not None and isinstance(g, Tensor) and tuple(g.shape) != form.shape:
                wrong = (
                    f"{where}, the backward of {rule_name(node)} returns a gradient of shape {tuple(g.shape)} for its "
                    f"argument {k} of shape {form.shape}{of(sample)}."
                )
                raise Fault(wrong, SUM, where=where)

"""Does it work under autocast, eager and compiled?"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

from manualnet.check.attempt import each, eagerly
from manualnet.check.calls import call, cotangents, floats, fresh, value_and_gradients
from manualnet.check.compare import Worst
from manualnet.check.compiler import clean_compiler, compiled, run_compiled
from manualnet.check.nodes import around_rules, as_tuple, input_forms, rule_name
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

HALF = torch.bfloat16
ONE_TYPE = (
    "Cast the inputs before apply, so that the Function sees one type and autograd casts its gradients back: "
    "x.to(torch.get_autocast_dtype(x.device.type)) for products such as matmul, float32 for losses. Or cast in "
    "backward: saved tensors to the type of grad_out, and each gradient to the type of its input."
)


class _Result(NamedTuple):
    what: str
    dtype: torch.dtype
    unit: float  # in the last place of the largest element of value and gradients, so that a sum may cancel
    error: float  # in units, against the same function in float64
    where: str = ""
    hint: str = ""


Met = dict[tuple[str, torch.dtype], list[tuple[_Result, _Result]]]
Run = Callable[[Callable, Sample], tuple[list[Tensor], list[Tensor]]]


@claims("under autocast it gives the reference's type and errs at most twice as far, eager and compiled", ONE_TYPE)
def autocast(subject: Subject) -> Evidence:
    met: Met = defaultdict(list)

    def eager(sample: Sample) -> None:
        plain = _cast(sample, torch.float32)
        eagerly(lambda: value_and_gradients(subject.function, plain))
        _meet(subject, plain, "", value_and_gradients, met)
        # Only a reference tells which types may be mixed, and of no elements it accepts any.
        mixes = subject.spec.reference is not None and len(sample.inputs) > 1 and all(t.numel() for t in sample.tensors)
        for i in range(len(sample.inputs) * mixes):
            with suppress(DoesNotApply):
                mixed = f" with input {i} in bfloat16 and the rest in float32"
                _meet(subject, _mixed(sample, i), mixed, value_and_gradients, met)

    def when_compiled(sample: Sample) -> None:
        plain = _cast(sample, torch.float32)
        with clean_compiler():
            eagerly(lambda: run_compiled(compiled(subject.function), plain))
        with clean_compiler():
            _meet(subject, plain, ", compiled,", lambda f, s: run_compiled(_under_autocast(compiled(f)), s), met)

    each(subject.samples, eager)
    with suppress(DoesNotApply):  # what it does without autocast too is said elsewhere
        each(subject.few(2), when_compiled)
    return _judged(met, slack=4 if subject.spec.reference is None else 1)


def _meet(subject: Subject, sample: Sample, how: str, run: Run, met: Met) -> None:
    """Note how far off the function and its reference are."""
    theirs, found = _theirs(subject, sample), _ours(subject, sample, how, run)
    if subject.draws and any(r.error * torch.finfo(r.dtype).eps > 0.1 for r in found):
        raise DoesNotApply("in another type, or compiled, it draws other random numbers")
    for ours, expected in zip(found, theirs, strict=True):
        if subject.spec.reference is not None and ours.dtype != expected.dtype:
            kinds = [str(r.dtype).removeprefix("torch.") for r in (ours, expected)]
            raise Fault(f"{ours.where} is {kinds[0]}, the reference's {kinds[1]}.", ONE_TYPE, where=ours.where)
        met[ours.what, ours.dtype].append((ours, expected))


def _ours(subject: Subject, sample: Sample, how: str, run: Run) -> list[_Result]:
    of = f" of {sample.label}" if sample.label else ""
    inside: list[str] = []
    narrow: list[str] = []

    def around(node, _, rule):
        inside.append(rule_name(node))
        returned = rule()
        for form, g in zip(input_forms(node), as_tuple(returned), strict=False):
            if form and form.dtype == torch.float32 and isinstance(g, Tensor) and g.dtype == HALF:
                narrow.append(f"; backward of {inside[-1]} gives bfloat16 for a float32 input")
        inside.pop()
        return returned

    try:
        with around_rules(around):
            values, grads = run(_under_autocast(subject.function), sample)
    except Exception as error:
        culprit = f"backward of {inside[-1]}" if inside else "the call"
        raise Fault(f"under autocast{how} {culprit}{of} raises {short(error)}", ONE_TYPE) from None
    results = _results(subject.function, sample, values, grads)
    return [r._replace(where=f"under autocast{how} {r.what}{of}", hint="".join(narrow[:1])) for r in results]


def _theirs(subject: Subject, sample: Sample) -> list[_Result]:
    """Of the reference; without one, of the same function whose inputs and cotangents were rounded to bfloat16."""
    if subject.spec.reference is not None:
        try:
            values, grads = value_and_gradients(_under_autocast(subject.reference), sample)
        except Exception as error:
            raise DoesNotApply(f"the reference does not either: {short(error)}") from None
        return _results(subject.reference, sample, values, grads)
    rounded = _cast(_cast(sample, HALF), torch.float64)
    upstream = [u.to(HALF).double() for u in cotangents(floats(call(subject.function, fresh(rounded))))]
    return _results(subject.function, sample, *value_and_gradients(subject.function, rounded, upstream), coarse=True)


def _results(
    function: Callable, sample: Sample, values: list[Tensor], grads: list[Tensor], coarse: bool = False
) -> list[_Result]:
    upstream = [u.double() for u in cotangents(values)]
    exact = value_and_gradients(function, _cast(sample, torch.float64), upstream)
    # What was computed in half precision has a gradient of that accuracy, in whatever type.
    accuracy = max((torch.finfo(v.dtype).eps for v in values), default=0.0)
    largest = max(map(_largest, (*exact[0], *exact[1])), default=0.0)
    results = []
    for what, found, wanted, least in (("value", values, exact[0], 0.0), ("gradient", grads, exact[1], accuracy)):
        for i, (t, e) in enumerate(zip(found, wanted, strict=True)):
            eps = torch.finfo(HALF).eps if coarse else max(torch.finfo(t.dtype).eps, least)
            unit = eps * largest or torch.finfo(t.dtype).tiny
            name = f"the value{f' {i}' if len(values) > 1 else ''}" if what == "value" else f"the gradient of input {i}"
            results.append(_Result(name, t.dtype, unit, _largest(t.double() - e) / unit))
    return results


def _judged(met: Met, slack: int) -> Evidence:
    """Each may err twice as far as the reference does in any sample: one sample's may be right by luck."""
    worst = Worst()
    for pairs in met.values():
        theirs = max(expected.error for _, expected in pairs)
        for ours, expected in pairs:
            bound = (2 * theirs + slack) * expected.unit
            error = ours.error * ours.unit
            worst.meet(error, bound, ours.where)
            if error > bound:
                wrong = f"{ours.where} errs by {error:.2g}, where {bound:.2g} is allowed{ours.hint}."
                raise Fault(wrong, ONE_TYPE, where=ours.where, error=error, bound=bound)
    return worst.evidence()


def _under_autocast(function: Callable) -> Callable:
    def call_it(*args, **kwargs):
        with torch.autocast("cpu", HALF):
            return function(*args, **kwargs)

    return call_it


def _cast(sample: Sample, dtype: torch.dtype) -> Sample:
    def cast(t: Tensor) -> Tensor:
        return t.detach().to(dtype).requires_grad_(t.requires_grad) if t.is_floating_point() else t

    return sample.map(cast)


def _mixed(sample: Sample, i: int) -> Sample:
    """In float32, but for one input."""
    plain = _cast(sample, torch.float32)
    kinds = [HALF if k == i else torch.float32 for k in range(len(plain.inputs))]
    return plain.with_inputs([x.detach().to(d).requires_grad_() for x, d in zip(plain.inputs, kinds, strict=True)])


def _largest(t: Tensor) -> float:
    return t.abs().max().item() if t.numel() else 0.0

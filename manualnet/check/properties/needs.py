"""Does a rule do what ``ctx.needs_input_grad`` asks for, and no more?"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of
from manualnet.check.compare import Worst
from manualnet.check.kernels import Kernels, memory
from manualnet.check.nodes import around_rules, as_tuple, no_rule, rule_name
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

NEEDS = (
    "Compute each gradient under `if ctx.needs_input_grad[i]`, with i the place among forward's arguments, and return "
    "None otherwise."
)
ALONE = (
    "Compute each gradient on its own under `if ctx.needs_input_grad[i]`, and save what it needs whether or not the "
    "others are needed."
)
FEW = 0.25  # of the largest tensor's elements: one number a channel costs nothing beside the channel


class Ran(NamedTuple):
    """One call of a rule."""

    node: Any
    cotangents: tuple
    returned: tuple
    kernels: Kernels


@claims("each input alone gets its gradient, the others None, and no kernel runs for them", NEEDS)
def needs_input_grad(subject: Subject) -> Evidence:
    worst = Worst()
    rules = asked = 0
    for sample in subject.samples:
        together, calls = _run(subject, sample)
        rules += len(calls)
        asked += sum(len(ran.node.next_functions) > 1 for ran in calls)
        _unneeded(calls, of(sample).strip() or "as given")
        idle, sizes = _idle(calls), [t.numel() for t in sample.tensors]
        for i in range(len(sample.inputs)) if len(sample.inputs) > 1 else ():
            where = f"with a gradient for input {i} alone{of(sample)}"
            try:
                (gradient,), calls = _run(subject, _only(sample, i))
            except Exception as error:
                raise Fault(f"{where}, it raises {short(error)}.", ALONE, where=where) from error
            worst.close(gradient, together[i], f"{where}, its gradient", ALONE)
            _unneeded(calls, where)
            for (kernel, elements), count in (_idle(calls) - idle).items():
                if min(sizes) and elements > FEW * max(sizes):
                    wrong = (
                        f"{where}, backward still runs {kernel} over {elements} elements"
                        f"{f' {count} times' if count > 1 else ''}, which only the other gradients use."
                    )
                    raise Fault(wrong, NEEDS, where=where)
            asked += len(calls)
    if not rules:
        raise no_rule()
    if not asked:
        raise DoesNotApply("it has one tensor argument")
    return worst.evidence()


def _only(sample: Sample, i: int) -> Sample:
    numbers = iter(range(len(sample.inputs)))
    return sample.map(lambda t: t.detach().clone().requires_grad_(next(numbers) == i) if t.requires_grad else t)


def _run(subject: Subject, sample: Sample) -> tuple[list[Tensor], list[Ran]]:
    calls: list[Ran] = []

    def record(node, cotangents: tuple, run: Callable):
        with Kernels() as kernels:
            returned = run()
        calls.append(Ran(node, cotangents, as_tuple(returned), kernels))
        return returned

    sample = fresh(sample)
    values = floats(call(subject.function, sample))
    with around_rules(record):
        return gradients(values, sample.inputs, cotangents(values)), calls


def _idle(calls: list[Ran]) -> Counter[tuple[str, int]]:
    """Kernels that do nothing for what goes to inputs that need a gradient."""
    found: Counter[tuple[str, int]] = Counter()
    for ran in calls:
        needed = zip(ran.returned, ran.node.needs_input_grad, strict=False)
        found += ran.kernels.idle(g for g, need in needed if need and isinstance(g, Tensor))
    return found


def _unneeded(calls: list[Ran], where: str) -> None:
    for ran in calls:
        # To hand on the cotangent costs nothing.
        free = {memory(t) for t in ran.cotangents if isinstance(t, Tensor)}
        for i, (g, need) in enumerate(zip(ran.returned, ran.node.needs_input_grad, strict=False)):
            if not need and isinstance(g, Tensor) and memory(g) not in free:
                wrong = (
                    f"{where}, the backward of {rule_name(ran.node)} returns a gradient for its argument {i}, which "
                    "needs none."
                )
                raise Fault(wrong, f"Return None there: put it under `if ctx.needs_input_grad[{i}]`.", where=where)

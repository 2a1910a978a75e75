"""Does the rule that was written survive the compiler, or is forward differentiated in its place?"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch._dynamo import trace_rules

from manualnet.check.advice import SETUP_CONTEXT, VMAP_RULE
from manualnet.check.attempt import attempt, eagerly
from manualnet.check.calls import call, cotangents, floats, fresh, of_inputs, scalar, seed
from manualnet.check.canary import canary, has_rule, same_derivatives
from manualnet.check.compiler import allow, clean_compiler, compiled, names
from manualnet.check.nodes import no_rule, rule_nodes
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject
from manualnet.handwritten import rule_of

Rules = Sequence[type[torch.autograd.Function]]
Way = Callable[[Callable], Callable]  # to run a function: compiled, or as it is
Transform = Callable[[Callable, Sample, Way], list[Tensor]]
FLAT = "its gradient stays the same when its rules are wrong, so nothing shows whether they ran"


def _plain(function: Callable, sample: Sample, way: Way) -> list[Tensor]:
    sample = fresh(sample)
    values = [v for v in floats(call(way(function), sample)) if v.requires_grad]
    grads = torch.autograd.grad(values, sample.inputs, cotangents(values), allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(grads, sample.inputs, strict=True)]


def _grad(function: Callable, sample: Sample, way: Way, mapped: bool = False) -> list[Tensor]:
    inputs = [x.detach() for x in sample.inputs]
    upstream = cotangents(floats(call(function, fresh(sample))))
    transformed = torch.func.grad(scalar(function, fresh(sample), upstream), tuple(range(len(inputs))))
    if not mapped:
        return _seeded(way(transformed), inputs)
    rows = _seeded(way(torch.func.vmap(transformed, randomness="same")), [torch.stack([x, x]) for x in inputs])
    return [g[1] for g in rows]


def _vmap_of_grad(function: Callable, sample: Sample, way: Way) -> list[Tensor]:
    return _grad(function, sample, way, mapped=True)


def _jvp(function: Callable, sample: Sample, way: Way) -> list[Tensor]:
    inputs = tuple(x.detach() for x in sample.inputs)
    tangents = tuple(cotangents(inputs, seed=5))
    pure = of_inputs(function, fresh(sample))
    return floats(_seeded(way(lambda *x: torch.func.jvp(pure, x, tangents)[1]), inputs))


def _seeded(program: Callable, inputs: Sequence[Tensor]):
    seed()
    return program(*inputs)


_TRANSFORMS: dict[str, Transform] = {
    "the call": _plain,
    "torch.func.grad": _grad,
    "torch.func.vmap(torch.func.grad)": _vmap_of_grad,
    "torch.func.jvp": _jvp,
}


@claims(
    "the compiled program runs the rules that were written, and so do compiled torch.func.grad, vmap of it, and jvp",
    "Give the class to torch.compiler.allow_in_graph, so that the compiler calls it as it is.",
)
def compile_keeps_the_rule(subject: Subject) -> Evidence:
    ran: dict[str, None] = {}
    refused: list[DoesNotApply] = []
    for sample, rules in _telling(subject):
        kept: dict[str, bool] = {}
        for name, transform in _TRANSFORMS.items():
            if transform is _jvp and not any(has_rule(cls, "jvp") for cls in rules):
                continue
            try:
                kept[name] = _kept(subject, transform, sample, rules)
            except DoesNotApply as reason:
                refused.append(reason)
        if not all(kept.values()):
            raise _fault([name for name in kept if not kept[name]], rules)
        ran |= dict.fromkeys(kept)
    if not ran:
        raise refused[0]
    return Evidence(why=f"the rules ran in {', '.join(ran)}")


def _telling(subject: Subject) -> Iterator[tuple[Sample, Rules]]:
    """Samples through whose gradients every rule shows."""
    if not subject.rules:
        raise no_rule()
    shown: set[type] = set()
    for sample in subject.samples:
        rules = list({rule_of(node): None for node in rule_nodes(call(subject.function, fresh(sample)))})
        if shown.issuperset(rules) or same_derivatives(*_derivatives(subject, _plain, sample, rules)):
            continue
        shown.update(rules)
        yield sample, rules
    if not shown:
        raise DoesNotApply(FLAT)


def _eager(function: Callable) -> Callable:
    return function


def _kept(subject: Subject, transform: Transform, sample: Sample, rules: Rules) -> bool:
    """Whether rules that are wrong on purpose make the compiled derivative as wrong as they make the eager one."""
    # A gradient is the same number whatever transforms made it, and the plain one needs no support for them.
    right, wrong = _derivatives(subject, _jvp if transform is _jvp else _plain, sample, rules)
    if same_derivatives(right, wrong):
        raise DoesNotApply(FLAT)
    with canary(rules):
        found = _compiled(subject, transform, sample)
    if subject.draws and not same_derivatives(found, right) and not same_derivatives(found, wrong):
        raise DoesNotApply("compiled, it draws other random numbers, as PyTorch allows")
    return same_derivatives(found, wrong)


def _derivatives(subject: Subject, transform: Transform, sample: Sample, rules: Rules) -> tuple[list, list]:
    """Eagerly: those that are right, and those that the canary makes wrong."""
    right = eagerly(lambda: transform(subject.function, sample, _eager))
    with canary(rules):
        return right, eagerly(lambda: transform(subject.function, sample, _eager))


def _compiled(subject: Subject, transform: Transform, sample: Sample) -> list[Tensor]:
    def run(function: Callable) -> list[Tensor]:
        with clean_compiler():
            return transform(function, sample, compiled)

    try:
        return attempt(subject, run)
    except DoesNotApply:
        raise
    except Exception as error:
        if transform is _plain:
            raise DoesNotApply(f"it does not compile: {short(error)}") from None
        eagerly(lambda: transform(subject.function, sample, _eager))
        raise


def _fault(transforms: Sequence[str], rules: Rules) -> Fault:
    culprits = [cls for cls in rules if not trace_rules.is_callable_allowed(cls)] or rules
    mend = allow(culprits)
    if not all(has_rule(cls, "setup_context") for cls in culprits):
        mend += f" {SETUP_CONTEXT}"
    elif any("vmap" in name for name in transforms) and not all(map(_maps, culprits)):
        mend += f" {VMAP_RULE}"
    drop = "drop" if len(transforms) > 1 else "drops"
    wrong = (
        f"compiled, {' and '.join(transforms)} {drop} the rule of {names(culprits)} and differentiate forward instead."
    )
    return Fault(wrong, mend)


def _maps(cls: type[torch.autograd.Function]) -> bool:
    return cls.generate_vmap_rule or has_rule(cls, "vmap")

"""Does a call leave everything as it was?"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.utils import _pytree as pytree

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, value_and_gradients
from manualnet.check.compare import CLOSE, Worst, told
from manualnet.check.nodes import around_rules, rule_name, rule_nodes
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

INPUT = (
    "Work on a new tensor. If writing to an input is meant, tell autograd with ctx.mark_dirty and return it; a buffer "
    "may be written to if the reference writes the same."
)
COTANGENT = (
    "The cotangent belongs to the caller: write grad_out * y in the place of grad_out *= y and of grad_out.mul_(y)."
)
SAVED = (
    "Backward may run again, and others hold the same tensors: compute into a new tensor in the place of y.sub_(1) or "
    "y -= 1, and keep no state from one backward to the next."
)
NOTICE = (
    "Keep inputs and outputs with ctx.save_for_backward, not as attributes of ctx: it raises if one was changed since, "
    "and frees them after backward."
)
GRAD = "Return the gradient and write it nowhere: autograd adds what is returned to .grad, which would count it twice."
SETTINGS = "Give new tensors their dtype and leave the program's settings alone, or put them back in a finally clause."
DRAWS = (
    "Save the mask that forward drew; or draw it anew under torch.random.fork_rng(), which puts the generator back, or "
    "from a torch.Generator of your own."
)
CALLS = 6  # samples to change before backward
INPLACE = "modified by an inplace operation"  # how autograd says that it noticed


class Watched:
    """Tensors, and whether any of them has changed since."""

    def __init__(self, what: str, tensors: Iterable[Tensor], mend: str) -> None:
        self.what, self.mend = what, mend
        self.tensors = list(tensors)
        self._before = [(t.detach().clone(), t._version) for t in self.tensors]

    def changed(self) -> list[int]:
        return [
            k
            for k, (t, (value, version)) in enumerate(zip(self.tensors, self._before, strict=True))
            if t._version != version or not _same(t, value)
        ]

    def hold(self, when: str, sample: Sample) -> None:
        for k in self.changed():
            number = f" {k}" if len(self.tensors) > 1 else ""
            raise Fault(f"{when} changes {self.what}{number} in place{of(sample)}.", self.mend)


@claims(
    "inputs, saved tensors, cotangents, generator and settings stay as they are, and backward gives the same twice",
    SAVED,
)
def nothing_mutated(subject: Subject) -> Evidence:
    worst = Worst()
    subject.restore_settings()
    for sample in subject.samples:
        taken = fresh(sample)
        inputs = Watched("tensor argument", taken.tensors, INPUT)
        result = call(subject.function, taken)
        _settings(subject, "forward")
        _forward(subject, sample, inputs, result)
        values = floats(result)
        upstream = cotangents(values)
        watched = [
            Watched("tensor argument", taken.tensors, SAVED),
            Watched("the result", values, SAVED),
            Watched("saved tensor", _saved(result), SAVED),
            Watched("the cotangent", upstream, COTANGENT),
        ]
        with around_rules(_keeping_cotangents(sample)):
            once, again = (
                _backward(values, taken, upstream, watched, when) for when in ("backward", "a second backward")
            )
            for i, (a, e) in enumerate(zip(again, once, strict=True)):
                worst.close(a, e, f"the gradient of input {i} by a second backward{of(sample)}", SAVED)
            _settings(subject, "backward")
            for i, x in enumerate(taken.inputs):
                if x.grad is not None:
                    raise Fault(f"backward writes to the .grad of input {i}{of(sample)}.", GRAD)
            _second_derivative(values, taken, upstream, watched)
        _forward_mode(subject, sample)
    for sample in subject.few(2):
        _generator(subject, sample)
    if worst.error is None:
        raise DoesNotApply("the samples have no elements")
    return worst.evidence()


def _settings(subject: Subject, when: str) -> None:
    for setting in subject.restore_settings():
        raise Fault(f"{when} changes {setting.name} of PyTorch, for the whole program.", SETTINGS)


def _generator(subject: Subject, sample: Sample) -> None:
    """Whoever draws leaves the generator in another state for another seed; who sets it, in the same."""
    taken = fresh(sample)
    values: list[Tensor] = []

    def forward() -> None:
        values[:] = floats(subject.function(*taken.args, **taken.kwargs))

    def backward() -> None:
        gradients(values, taken.inputs, cotangents(values))

    for when, run in (("forward", forward), ("backward", backward)):
        ends = []
        for seed in (1, 2):
            torch.default_generator.manual_seed(seed)
            run()
            ends.append(torch.default_generator.get_state())
        if torch.equal(*ends):
            raise Fault(f"{when} sets PyTorch's generator{of(sample)}: what others draw after it is not random.", DRAWS)


def _forward(subject: Subject, sample: Sample, inputs: Watched, result) -> None:
    """An input may be written to if it is returned, or if the reference writes the same to it."""
    changed = [k for k in inputs.changed() if not any(inputs.tensors[k] is t for t in pytree.tree_leaves(result))]
    if not changed:
        return
    if subject.spec.reference is not None:
        theirs = fresh(sample)
        call(subject.reference, theirs)
        worst = Worst()
        for k in changed:
            worst.close(inputs.tensors[k], theirs.tensors[k], f"tensor argument {k} after forward{of(sample)}", INPUT)
        return
    raise Fault(f"forward changes tensor argument {changed[0]} in place{of(sample)}.", INPUT)


def _backward(
    values: Sequence[Tensor], sample: Sample, upstream: Sequence[Tensor], watched: Sequence[Watched], when: str
) -> list[Tensor]:
    try:
        grads = gradients(values, sample.inputs, upstream)
    except RuntimeError as error:
        if INPLACE not in str(error):
            raise
        raise Fault(f"{when} raises {short(error)}{of(sample)}.", SAVED) from error
    for w in watched:
        w.hold(when, sample)
    return [g.clone() for g in grads]


def _second_derivative(
    values: Sequence[Tensor], sample: Sample, upstream: Sequence[Tensor], watched: Sequence[Watched]
) -> None:
    # That there is none, be it for what backward does to its own tensors, is for another property to say.
    with suppress(Exception):
        first = gradients(values, sample.inputs, upstream, create_graph=True)
        gradients(first, sample.inputs, cotangents(first, seed=2))
    for w in watched:
        w.hold("the second derivative", sample)


def _forward_mode(subject: Subject, sample: Sample) -> None:
    taken = fresh(sample)
    tangents = cotangents(taken.inputs, seed=5)
    watched = Watched("tensor argument", taken.inputs, INPUT), Watched("the tangent", tangents, COTANGENT)
    try:
        with forward_ad.dual_level():
            dual = [forward_ad.make_dual(x.detach(), t) for x, t in zip(taken.inputs, tangents, strict=True)]
            call(subject.function, taken.with_inputs(dual))
    except Exception:
        return
    for w in watched:
        w.hold("jvp", sample)


def _saved(result) -> list[Tensor]:
    return [t for node in rule_nodes(result) for t in node.saved_tensors if t is not None]


def _keeping_cotangents(sample: Sample) -> Callable:
    def around(node, given: tuple, run: Callable):
        watched = Watched("its cotangent", (t for t in given if isinstance(t, Tensor)), COTANGENT)
        returned = run()
        watched.hold(f"the backward of {rule_name(node)}", sample)
        return returned

    return around


@claims("an input or a result that is changed before backward makes it raise, or makes no difference", NOTICE)
def changes_noticed(subject: Subject) -> Evidence:
    tried = 0
    for sample in subject.few(CALLS):
        taken = fresh(sample)
        outputs = len(floats(call(subject.function, taken)))
        for k in range(len(taken.inputs) + outputs):
            _changed_before_backward(subject, sample, k)
            tried += 1
    return Evidence(why=f"{tried} changes tried")


def _changed_before_backward(subject: Subject, sample: Sample, k: int) -> None:
    taken = fresh(sample)
    values = floats(call(subject.function, taken))
    upstream = cotangents(values)
    _, before = value_and_gradients(subject.function, sample, upstream)
    n = len(taken.inputs)
    tensor, what = (taken.inputs[k], f"input {k}") if k < n else (values[k - n], "the result")
    try:
        with torch.no_grad():
            tensor.add_(1)
        after = gradients(values, taken.inputs, upstream)
    except RuntimeError:
        return
    for i, (g, expected) in enumerate(zip(after, before, strict=True)):
        wrong = ~torch.isclose(g, expected, rtol=CLOSE, atol=CLOSE, equal_nan=True)
        if wrong.any():
            where = f"with {what} changed in place before backward, the gradient of input {i}{of(sample)}"
            raise Fault(told(where, g, expected, wrong, "without an error, and before"), NOTICE, where=where)


def _same(a: Tensor, b: Tensor) -> bool:
    """The same numbers; NaN is NaN."""
    return (
        a.shape == b.shape
        and torch.equal(a.detach().nan_to_num(7.0), b.nan_to_num(7.0))
        and torch.equal(a.isnan(), b.isnan())
    )

"""What is kept for backward, how much, and for how long?"""

import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree

from manualnet.check.calls import call, cotangents, floats, fresh, of
from manualnet.check.kernels import memory as place
from manualnet.check.nodes import rule_name, rule_nodes
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

LESS = (
    "Save the fewest tensors that give the gradient, inputs and outputs before anything else, each only if "
    "ctx.needs_input_grad asks for what it serves; compute the rest again in backward; keep masks as bool and indices "
    "as small integers."
)
CYCLE = (
    "Save inputs and outputs with ctx.save_for_backward, which keeps no output alive by itself; keep neither an output "
    "nor ctx itself in an attribute or in a closure that ctx holds."
)
SCALARS = 16  # bytes: a few numbers


class Kept(NamedTuple):
    """Bytes that a graph keeps."""

    all: int
    own: int  # in memory that holds neither inputs nor results

    def __str__(self) -> str:
        return f"{self.all} bytes ({self.own} beside inputs and results)"


@claims("it keeps no more memory for backward than the reference", LESS)
def memory(subject: Subject) -> Evidence:
    sample = max(subject.samples, key=lambda s: sum(t.nbytes for t in s.tensors))
    try:
        kind, ours, theirs = _kept_by_both(subject, sample.map(_float32))
    except Exception:  # it need not take float32
        kind, ours, theirs = _kept_by_both(subject, sample)
    size = f"for an input of {kind}{of(sample)}"
    if theirs is None:
        raise DoesNotApply(f"there is no reference to compare with; it keeps {ours} {size}")
    both = f"keeps {ours}, the reference {theirs}, {size}"
    if ours.own > theirs.own + SCALARS or (ours.all > theirs.all + SCALARS and ours.own >= theirs.own):
        raise Fault(f"it {both}.", LESS, error=ours.own, bound=theirs.own)
    return Evidence(why=both)


def _float32(t: Tensor) -> Tensor:
    return t.detach().float().requires_grad_(t.requires_grad) if t.is_floating_point() else t


def _kept_by_both(subject: Subject, sample: Sample) -> tuple[str, Kept, Kept | None]:
    """The size of the input, and what the function and the reference keep."""
    dtypes = sorted({str(t.dtype).removeprefix("torch.") for t in sample.inputs})
    size = f"{sum(t.nbytes for t in sample.tensors)} bytes of {' and '.join(dtypes)}"
    theirs = None if subject.spec.reference is None else kept_by(subject.reference, sample)
    return size, kept_by(subject.function, sample), theirs


def kept_by(function: Callable, sample: Sample) -> Kept:
    """What the graph of one call keeps for its backward."""
    sample, kept = fresh(sample), []

    def keep(t: Tensor) -> Tensor:
        kept.append(t)
        return t

    with saved_tensors_hooks(keep, lambda t: t):
        result = call(function, sample)
    kept += _attributes(result)
    bytes_of = {place(t): t.untyped_storage().nbytes() for t in kept}
    known = set(map(place, [*sample.tensors, *_tensors(result)]))
    return Kept(sum(bytes_of.values()), sum(n for at, n in bytes_of.items() if at not in known))


@claims("no reference cycle keeps memory alive once the result is dropped", CYCLE)
def no_cycle(subject: Subject) -> Evidence:
    collecting = gc.isenabled()
    gc.disable()
    try:
        for sample in subject.samples:
            for backward in (False, True):
                _freed(subject, sample, backward)
    finally:
        if collecting:
            gc.enable()
    return Evidence()


class Trace(NamedTuple):
    """What is left of a tensor or a node when nobody holds it."""

    dead: Callable[[], bool]
    bytes: int


def _freed(subject: Subject, sample: Sample, backward: bool) -> None:
    traces, holders = _used_and_dropped(subject.function, sample, backward)
    alive = [t for t in traces if not t.dead()]
    if alive:
        # What lives on after this is held on purpose, such as a constant of the module.
        gc.collect()
    # Python cannot free the results of one call that all hang on its ctx: their cycle goes through C++.
    cycle = [t for t in alive if holders or t.dead()]
    if cycle:
        when = "backward has run and the result is dropped" if backward else "the result is dropped"
        who = f": {holders[0]}" if holders else ""
        wrong = f"a reference cycle keeps {sum(t.bytes for t in cycle)} bytes alive after {when}{of(sample)}{who}."
        raise Fault(wrong, CYCLE)


def _used_and_dropped(function: Callable, sample: Sample, backward: bool) -> tuple[list[Trace], list[str]]:
    sample = fresh(sample)
    result = call(function, sample)
    nodes = rule_nodes(result)
    saved = [t for node in nodes for t in node.saved_tensors if t is not None]
    values = [v for v in floats(result) if v.requires_grad]
    if backward and values:
        torch.autograd.grad(values, sample.inputs, cotangents(values), allow_unused=True)
    results = set(map(place, _tensors(result)))
    holders = [
        f"{rule_name(node)} holds its result as ctx.{name}"
        for node in nodes
        for name, value in vars(node).items()
        if results & set(map(place, _tensors(value)))
    ]
    tensors = {place(t): t for t in (*sample.tensors, *_tensors(result), *saved, *_attributes(result))}
    traces = [
        Trace(StorageWeakRef(t.untyped_storage()).expired, t.untyped_storage().nbytes()) for t in tensors.values()
    ]
    traces += [Trace(partial(_gone, weakref.ref(node)), 0) for node in nodes]
    return traces, holders


def _gone(reference: weakref.ref) -> bool:
    return reference() is None


def _attributes(result) -> list[Tensor]:
    """Tensors that hang on ctx without having been saved."""
    return [t for node in rule_nodes(result) for t in _tensors(list(vars(node).values()))]


def _tensors(tree) -> list[Tensor]:
    return [t for t in pytree.tree_leaves(tree) if isinstance(t, Tensor)]

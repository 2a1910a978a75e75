"""Does it take batches of nothing, batches of one and single numbers?"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, value_and_gradients
from manualnet.check.compare import CLOSE, told
from manualnet.check.nodes import Form
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

EDGES = (
    "An empty tensor has no maximum and no mean, and .reshape(-1, n) cannot tell how many rows it has: test x.numel(), "
    "or give the sizes. Count axes from the end or ask for x.dim(), so that a single number passes; and name the axis "
    "that x.squeeze(dim) drops, so that a batch of one stays a batch."
)
REFUSED = (ValueError, TypeError, NotImplementedError, AssertionError)  # on purpose, as far as one can tell


class Edge(NamedTuple):
    what: str
    sample: Sample
    number: bool = False  # single numbers, which a function that needs an axis may refuse
    apart: bool = False  # an axis that others share is changed in one alone, which need not make sense


@claims(
    "empty batches, batches of one and single numbers give what they give the reference; without one, no crash", EDGES
)
def empty_and_scalar(subject: Subject) -> Evidence:
    calls = 0
    for sample in subject.samples:
        for edge in _edges(sample):
            where = f"with {edge.what}{of(sample)}"
            if subject.spec.reference is not None:
                calls += _like_reference(subject, edge, where)
            else:
                calls += _alone(subject.function, sample, edge, where)
    if not calls:
        raise DoesNotApply("it takes neither empty batches nor single numbers")
    return Evidence(why=f"{calls} calls")


def _edges(sample: Sample) -> Iterator[Edge]:
    """The first axis emptied, in all tensors that share its size and in one input alone, or one element long; then
    single numbers."""
    tensors = sample.tensors
    filled = all(t.numel() for t in tensors)
    for n in sorted({len(t) for t in sample.inputs if t.dim()} - {0}):
        sharing = tuple(k for k, t in enumerate(tensors) if t.dim() and len(t) == n)
        for chosen in dict.fromkeys([sharing, *((k,) for k in sharing if tensors[k].requires_grad)]):
            what = f"a first axis of size 0 in {_names(chosen, tensors)}"
            yield Edge(what, _changed(sample, chosen, lambda t: t[:0]), apart=chosen != sharing)
        if n > 1 and filled:
            yield Edge(
                f"a first axis of size 1 in {_names(sharing, tensors)}", _changed(sample, sharing, lambda t: t[:1])
            )
    if filled and any(t.dim() for t in tensors):
        every = range(len(tensors))
        yield Edge("single numbers", _changed(sample, every, lambda t: t.flatten()[0]), number=True)


def _names(chosen: Sequence[int], tensors: Sequence[Tensor]) -> str:
    if len(chosen) == len(tensors):
        return "every tensor" if len(tensors) > 1 else "its input"
    return f"tensor{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}"


def _changed(sample: Sample, chosen: Sequence[int], change: Callable[[Tensor], Tensor]) -> Sample:
    numbers = iter(range(len(sample.tensors)))

    def new(t: Tensor) -> Tensor:
        made = change(t.detach()) if next(numbers) in chosen else t.detach()
        return made.clone().requires_grad_(t.requires_grad)

    return sample.map(new)


def _like_reference(subject: Subject, edge: Edge, where: str) -> int:
    """The number of comparisons, if none failed."""
    try:
        theirs = value_and_gradients(subject.reference, edge.sample)
    except Exception:
        return 0  # what the reference refuses is free
    try:
        ours = value_and_gradients(subject.function, edge.sample)
    except Exception as error:
        if (edge.number and isinstance(error, REFUSED)) or (edge.apart and isinstance(error, (*REFUSED, RuntimeError))):
            return 0
        raise _crash(where, error) from error
    for what, actual, expected in zip(("the value", "a gradient"), ours, theirs, strict=True):
        for a, e in zip(actual, expected, strict=True):
            _equal(f"{where}, {what}", a, e, "the reference's", subject.is_right)
    return 1


def _alone(function: Callable, sample: Sample, edge: Edge, where: str) -> int:
    """Without a reference: backward takes what forward takes, and where elements do not mix, forward takes any."""
    apart = _elementwise(function, sample)
    taken = fresh(edge.sample)
    try:
        values = floats(call(function, taken))
        kept = [v.detach().clone() for v in values]
    except Exception as error:
        if not apart or isinstance(error, REFUSED):
            return 0
        raise _crash(where, error) from error
    try:
        upstream = cotangents(values)
        grads = gradients(values, taken.inputs, [u.clone() for u in upstream])
    except Exception as error:
        raise _crash(f"{where}, forward runs; in backward", error) from error
    if apart and edge.number:
        together, slopes = _elements(function, sample)
        _equal(f"{where}, the value", kept[0], together[0], "in a tensor it is", True)
        if grads and len(values) == 1:
            _equal(f"{where}, the gradient", grads[0], upstream[0] * slopes[0], "in a tensor it is", True)
    return 1


def _elementwise(function: Callable, sample: Sample) -> bool:
    """Whether every element of the result follows from the element of the input alone that is in its place."""
    if len(sample.tensors) != 1 or not sample.tensors[0].numel():
        return False
    try:
        (together, _), (first, _) = _elements(function, sample), _elements(function, sample, slice(1))
        with torch.no_grad():
            shape = floats(call(function, fresh(sample)))[0].shape
    except Exception:
        return False
    return shape == sample.tensors[0].shape and together.shape == (shape.numel(),) and torch.equal(together[:1], first)


def _elements(function: Callable, sample: Sample, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
    """The result for the elements in a row, and the gradient of the first."""
    row = sample.map(lambda t: t.detach().flatten()[part].requires_grad_(t.requires_grad))
    values = floats(call(function, row))
    result = values[0].detach().clone()
    (slopes,) = gradients(values, row.tensors, [torch.zeros_like(v).index_fill_(0, torch.tensor(0), 1) for v in values])
    return result, slopes


def _crash(where: str, error: Exception) -> Fault:
    return Fault(f"{where}, it raises {short(error)}.", EDGES, where=where)


def _equal(what: str, actual: Tensor, expected: Tensor, whose: str, numbers: bool) -> None:
    """Of the same form, and if ``numbers`` the same numbers."""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        raise Fault(f"{what} is {Form.of(actual)}, {whose} {Form.of(expected)}.", EDGES, where=what)
    wrong = ~torch.isclose(actual, expected, rtol=CLOSE, atol=CLOSE, equal_nan=True)
    if numbers and wrong.any():
        raise Fault(told(what, actual, expected, wrong, whose), EDGES, where=what)

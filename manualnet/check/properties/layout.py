"""Does it mind how tensors lie in memory?"""

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, value_and_gradients
from manualnet.check.compare import Worst
from manualnet.check.properties.side_effects import COTANGENT, INPUT, SAVED
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

VIEW = "Use .reshape in the place of .view: it copies where the strides allow no view."
STRIDES = (
    "Read and write through PyTorch's operations, which heed strides; what reads memory itself (data_ptr, as_strided, "
    "a kernel of your own) gets t.contiguous()."
)
Layout = Callable[[Tensor], Tensor | None]


def _transposed(t: Tensor) -> Tensor | None:
    backwards = tuple(reversed(range(t.dim())))
    return t.permute(backwards).contiguous().permute(backwards)


def _every_second(t: Tensor) -> Tensor | None:
    return torch.stack((t, _other(t)), -1).flatten(-2)[..., ::2] if t.dim() else None


def _slice_of_cat(t: Tensor) -> Tensor | None:
    return torch.cat((_other(t), t, _other(t)), -1).narrow(-1, t.shape[-1], t.shape[-1]) if t.dim() else None


def _channels_last(t: Tensor) -> Tensor | None:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return t.clone(memory_format=formats[t.dim()]) if t.dim() in formats else None


def _expanded(axis: int) -> Layout:
    return lambda t: t.narrow(axis, 0, 1).clone().expand_as(t) if t.dim() and t.shape[axis] else None


def _from_sum(t: Tensor) -> Tensor | None:
    return t.flatten()[0].clone().expand_as(t) if t.numel() else None


def _other(t: Tensor) -> Tensor:
    """What lies between the numbers of a tensor, and must not be read."""
    return torch.full_like(t, torch.nan) if t.is_floating_point() else t


COPIED = {
    "transposed in memory": _transposed,
    "that is every second element of a larger tensor": _every_second,
    "that is a slice of a cat": _slice_of_cat,
    "in channels-last order": _channels_last,
}
REPEATED = {"expanded along its first axis": _expanded(0), "expanded along its last axis": _expanded(-1)}


@claims("inputs and cotangents of any stride give the value and the gradient that contiguous ones give", STRIDES)
def strides(subject: Subject) -> Evidence:
    worst = Worst()
    # Draws may follow the order of memory, so what is random is compared with a reference that draws alike.
    comparable = not subject.draws or subject.spec.reference is not None
    for sample in subject.samples:
        for manner, layout in (COPIED | REPEATED).items() if comparable else ():
            _inputs(subject, sample, manner, layout, worst)
        values = floats(call(subject.function, fresh(sample)))
        for manner, layout in (COPIED | {"expanded, as .sum() gives it": _from_sum}).items():
            _cotangents(subject, sample, values, manner, layout, worst)
    if worst.error is None:
        raise DoesNotApply("no tensor of the samples can lie in memory in another way")
    return worst.evidence()


def _inputs(subject: Subject, sample: Sample, manner: str, layout: Layout, worst: Worst) -> None:
    """All tensors laid out in a manner; if that fails, one by one, to tell which it is."""
    every = range(len(sample.tensors))
    try:
        _laid_out(subject, sample, manner, layout, every, worst)
    except Fault:
        for k in every:
            _laid_out(subject, sample, manner, layout, [k], worst)
        raise


def _laid_out(
    subject: Subject, sample: Sample, manner: str, layout: Layout, chosen: Collection[int], worst: Worst
) -> None:
    def lay(k: int, t: Tensor) -> Tensor:
        # Repeated numbers are for what is differentiated: a buffer may be written to, and an index must stay one.
        free = k in chosen and (t.requires_grad or layout not in REPEATED.values())
        new = _placed(t.detach(), layout) if free else None
        return (t.detach().clone() if new is None else new).requires_grad_(t.requires_grad)

    def laid() -> Sample:
        numbers = iter(range(len(sample.tensors)))
        return sample.map(lambda t: lay(next(numbers), t))

    example = laid()
    if all(_plain(t) for t in example.tensors):
        return
    which = "its input" if len(sample.tensors) == 1 else "its tensors"
    if len(chosen) == 1 and len(sample.tensors) > 1:
        (k,) = chosen
        which = _name(sample, k)
    where = f"with {which} {manner}"
    try:
        if subject.draws:
            expected = _differentiated(subject.reference, laid(), where)
        else:
            expected = _differentiated(subject.function, laid().map(_contiguous), where)
    except Fault:
        return  # the numbers themselves, or the layout for the reference, are out of bounds
    try:
        actual = _differentiated(subject.function, example, where)
    except Fault:
        if _reference_refuses(subject, laid(), where):
            return
        raise
    _compare(worst, actual, expected, sample, where)


def _cotangents(
    subject: Subject, sample: Sample, values: Sequence[Tensor], manner: str, layout: Layout, worst: Worst
) -> None:
    plain = cotangents(values)
    laid = [u if (new := _placed(u, layout)) is None else new for u in plain]
    if all(_plain(t) for t in laid):
        return
    where = f"with a cotangent {manner}"
    _, expected = value_and_gradients(subject.function, sample, [_contiguous(u) for u in laid])
    before = [u.clone() for u in laid]
    actual = _differentiated(subject.function, fresh(sample), where, laid)[1]
    try:
        _compare(worst, ([], actual), ([], expected), sample, where)
    except Fault as fault:
        if not all(map(torch.equal, laid, before)):
            fault.mend = COTANGENT
        raise


def _differentiated(
    function: Callable, sample: Sample, where: str, upstream: Sequence[Tensor] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Values and gradients on the tensors themselves: a copy would not keep their strides."""
    stage = "forward"
    try:
        values = floats(call(function, sample))
        stage = "backward"
        return values, gradients(values, sample.inputs, cotangents(values) if upstream is None else upstream)
    except Exception as error:
        # Cotangents that nobody gave have no strides of their own, so what cannot be written to is not one of them.
        writes = INPUT if stage == "forward" else SAVED if upstream is None else COTANGENT
        mend = VIEW if "view" in str(error) else writes if "written-to" in str(error) else STRIDES
        raise Fault(f"{where}, {stage} raises {short(error)}", mend, where=where) from error


def _reference_refuses(subject: Subject, sample: Sample, where: str) -> bool:
    if subject.spec.reference is None:
        return False
    try:
        _differentiated(subject.reference, sample, where)
    except Fault:
        return True
    return False


def _compare(worst: Worst, actual: tuple, expected: tuple, sample: Sample, where: str) -> None:
    for what, ours, theirs in zip(("the value", "the gradient of input"), actual, expected, strict=True):
        for i, (a, e) in enumerate(zip(ours, theirs, strict=True)):
            number = f" {i}" if "gradient" in what or len(ours) > 1 else ""
            worst.close(a.detach(), e.detach(), f"{where}, {what}{number}{of(sample)}", STRIDES)


def _placed(t: Tensor, layout: Layout) -> Tensor | None:
    new = layout(t)
    return None if new is None or _plain(new) else new


def _contiguous(t: Tensor) -> Tensor:
    return t.detach().clone(memory_format=torch.contiguous_format).requires_grad_(t.requires_grad)


def _plain(t: Tensor) -> bool:
    return t.is_contiguous() and not t.storage_offset()


def _name(sample: Sample, k: int) -> str:
    t = sample.tensors[k]
    if not t.requires_grad:
        return f"tensor argument {k}"
    return f"input {next(i for i, x in enumerate(sample.inputs) if x is t)}"

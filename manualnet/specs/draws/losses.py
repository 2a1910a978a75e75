"""Calls of the losses."""

import torch
from torch import Tensor

from manualnet.check.spec import Sample
from manualnet.specs.draws.arithmetic import stretched
from manualnet.specs.draws.draw import Draw


def _reduction(d: Draw) -> str:
    return d.one_of("mean", "sum", "none")


def _scores(d: Draw, max_dims: int = 5) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """The shape of scores, the number of classes, and the shape of class indices."""
    others = d.shape(0, max_dims - 1)
    classes = d.side(1, 4)
    return (*others[:1], classes, *others[1:]), classes, others


def hinge_loss(d: Draw) -> Sample:
    """Valid calls only: what the twin is composed of refuses others in its own words."""
    shape, classes, indices = _scores(d, 2)
    scores, target = d.tensor(shape), d.classes(classes, *indices)
    return Sample((scores, target, d.number(-1, 3)), {"reduction": _reduction(d)})


def _class_indices(d: Draw, classes: int, shape: tuple[int, ...], bytes_too: bool) -> tuple[Tensor, dict]:
    """Some of them ignored, rarely one out of range or of a shape that does not fit."""
    if d.rarely():
        shape = (*shape, 2)
    target = d.classes(classes + d.rarely(), *shape)
    # PyTorch refuses bytes late: without an element in the backward pass, smoothed where it comes to look one up.
    if bytes_too and target.numel() and not d.often():
        return target.byte(), {}
    ignored = d.one_of(-100, -1, 0)
    if ignored < 0 and d.integer(0, 1):
        target = torch.where(d.classes(3, *target.shape) == 0, ignored, target)
    return target, {} if ignored == -100 else {"ignore_index": ignored}


def _class_weight(d: Draw, classes: int, grad: bool | None = False) -> Tensor | None:
    return d.one_of(None, d.tensor((classes + d.rarely(),), 0, 2, grad=grad))


def nll_loss(d: Draw) -> Sample:
    shape, classes, indices = _scores(d)
    scores = d.tensor(shape)
    target, kwargs = _class_indices(d, classes, indices, bytes_too=True)
    return Sample((scores, target, _class_weight(d, classes, d.rarely())), {**kwargs, "reduction": _reduction(d)})


def cross_entropy(d: Draw) -> Sample:
    """Of class indices, or of probabilities that need not sum to 1 and whose weights are learned."""
    shape, classes, indices = _scores(d)
    kwargs: dict = {"label_smoothing": d.one_of(0.0, 0.125, 1.0, 2.0 if d.rarely() else 0.5)}
    if d.integer(0, 2) == 2:
        target, weight = d.tensor(shape, 0, 1), _class_weight(d, classes, None)
        if d.rarely():
            kwargs["ignore_index"] = 0
    else:
        target, more = _class_indices(d, classes, indices, bytes_too=not kwargs["label_smoothing"])
        kwargs |= more
        weight = _class_weight(d, classes, d.rarely())
    return Sample((d.tensor(shape), target, weight), {**kwargs, "reduction": _reduction(d)})


def binary_cross_entropy(d: Draw) -> Sample:
    """Certain probabilities, 0 and 1, included; rarely some beyond them."""
    shape = d.shape()
    x = d.tensor(shape, -1 if d.rarely() else 0, 1)
    target = d.tensor(stretched(d, shape) if d.rarely() else shape, 0, 1)
    weight = d.tensor(stretched(d, shape), 0, 2, grad=d.rarely()) if d.integer(0, 1) else None
    return Sample((x, target, weight), {"reduction": _reduction(d)})


def binary_cross_entropy_with_logits(d: Draw) -> Sample:
    shape = d.shape()
    target = d.tensor(stretched(d, shape) if d.rarely() else shape, 0, 1)
    weight, pos_weight = (
        d.tensor(stretched(d, shape), 0, 2, grad=d.rarely()) if d.integer(0, 1) else None for _ in range(2)
    )
    return Sample((d.tensor(shape), target, weight), {"pos_weight": pos_weight, "reduction": _reduction(d)})


def difference(d: Draw) -> Sample:
    """Two tensors that broadcast at times, of types that mix, weighted at times."""
    shape = d.shape()
    target = d.tensor(stretched(d, shape) if not d.often() else shape, dtype=d.other_dtype())
    weight = d.tensor((*shape, 2) if d.rarely() else shape, 0, 2) if d.integer(0, 1) else None
    return Sample((d.tensor(shape), target), {"weight": weight, "reduction": _reduction(d)})


def squared_error(d: Draw) -> Sample:
    """Of one shape, as the twin broadcasts."""
    shape = d.shape()
    return Sample((d.tensor(shape), d.tensor(shape, dtype=d.other_dtype())))


def triplet_loss(d: Draw) -> Sample:
    """Of one shape, as the twin broadcasts."""
    shape = d.shape(1, 3)
    margin = d.number(-2, 4)
    return Sample(tuple(d.tensor(shape) for _ in range(3)), {"margin": margin, "reduction": _reduction(d)})

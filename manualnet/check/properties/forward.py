"""Does forward mode give the derivative?"""

from collections.abc import Sequence

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

from manualnet.check.advice import JVP
from manualnet.check.calls import cotangents, floats, fresh, of, of_inputs, seed
from manualnet.check.compare import Worst
from manualnet.check.numeric import STEP
from manualnet.check.properties.gradient import NUMERIC
from manualnet.check.property import Evidence, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject


@claims("forward mode gives the derivative along random tangents, of all inputs and of each alone", JVP)
def forward_mode(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.samples:
        sample = fresh(sample)
        tangents = cotangents(sample.inputs, seed=5)
        chosen: list[Sequence[Tensor | None]] = [tangents]
        if len(tangents) > 1:
            chosen += [[t if i == j else None for j, t in enumerate(tangents)] for i in range(len(tangents))]
        for which, directions in enumerate(chosen):
            expected, doubt = _along(subject, sample, directions)
            found = _forward(subject, sample, directions)
            along = f" along input {which - 1}" if which else ""
            where = f"the tangent{along}{of(sample)}"
            for y, e, d in zip(found, expected, doubt, strict=True):
                worst.close(y, e, where, JVP, NUMERIC, slack=10 * d)
    return worst.evidence()


def _forward(subject: Subject, sample: Sample, directions: Sequence[Tensor | None]) -> list[Tensor]:
    with forward_ad.dual_level():
        pairs = zip(sample.inputs, directions, strict=True)
        duals = [x.detach() if t is None else forward_ad.make_dual(x.detach(), t) for x, t in pairs]
        seed()
        results = [forward_ad.unpack_dual(y) for y in floats(of_inputs(subject.function, sample)(*duals))]
        return [torch.zeros_like(r.primal) if r.tangent is None else r.tangent.clone() for r in results]


def _along(subject: Subject, sample: Sample, directions: Sequence[Tensor | None]) -> tuple[list[Tensor], list[Tensor]]:
    """The numeric derivative of each output along the directions, and its estimated error."""
    f = of_inputs(subject.function, sample)

    def at(step: float) -> list[Tensor]:
        pairs = zip(sample.inputs, directions, strict=True)
        moved = [x.detach() if t is None else x.detach() + step * t for x, t in pairs]
        seed()
        return [y.detach().clone() for y in floats(f(*moved))]

    def stencil(h: float) -> list[Tensor]:
        values = zip(at(2 * h), at(h), at(-h), at(-2 * h), strict=True)
        return [(8 * (b - c) - (a - d)) / (12 * h) for a, b, c, d in values]

    coarse, fine = stencil(STEP), stencil(STEP / 2)
    return coarse, [(a - b).abs() for a, b in zip(coarse, fine, strict=True)]

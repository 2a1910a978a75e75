"""Specs of the arithmetic."""

from collections.abc import Callable

import torch

from manualnet.check.spec import Sample
from manualnet.specs.draws import arithmetic as draws
from manualnet.specs.spec import Operation, leaf, normal, operation


def _pairs(**scaled) -> Callable[[torch.Generator], list[Sample]]:
    """Two operands: every way to broadcast, numbers, mixed types."""

    def samples(generator: torch.Generator) -> list[Sample]:
        def x(*shape):
            return normal(generator, *shape)

        flipped = x(4, 3).detach().t().requires_grad_()
        out = [
            Sample((x(3, 4), x(3, 4)), {}, "matrices"),
            Sample((x(3, 4), x(4)), {}, "row"),
            Sample((x(3, 1), x(1, 4)), {}, "outer"),
            Sample((x(1), x(2, 1, 3)), {}, "one to many"),
            Sample((x(), x(2, 3)), {}, "scalar left"),
            Sample((x(2, 3), x()), {}, "scalar right"),
            Sample((x(), x()), {}, "scalars"),
            Sample((flipped, x(3, 4)), {}, "transposed"),
            Sample((x(0, 3), x(3)), {}, "empty"),
            Sample((x(1, 3), x(0, 3)), {}, "stretched to empty"),
            Sample((x(3), 2), {}, "integer"),
            Sample((x(3), -0.5), {}, "number right"),
            Sample((1.5, x(3)), {}, "number left"),
            Sample((x(3), torch.tensor([1, 2, 3])), {}, "integers"),
            Sample((torch.tensor([1, 2, 3]), x(2, 3)), {}, "integers left"),
            Sample((x(2, 3), x(3).detach()), {}, "constant"),
        ]
        if scaled:
            out += [Sample((x(2, 3), x(3)), scaled, "scaled"), Sample((x(3), 2.0), scaled, "scaled number")]
        return out

    return samples


def _pair_extremes() -> list[Sample]:
    return [Sample((leaf([-1e4, 0.0, 1e4]), leaf([[1e4], [-1e4]])), {}, "±1e4")]


def _matmul(generator: torch.Generator) -> list[Sample]:
    def pair(left: tuple[int, ...], right: tuple[int, ...]) -> Sample:
        return Sample((normal(generator, *left), normal(generator, *right)), {}, f"{left} {right}")

    pairs = [
        pair((4,), (4,)),
        pair((4,), (4, 3)),
        pair((2, 4), (4,)),
        pair((2, 4), (4, 3)),
        pair((3, 2, 4), (4,)),
        pair((4,), (3, 4, 2)),
        pair((3, 2, 4), (4, 2)),
        pair((2, 4), (3, 4, 2)),
        pair((5, 6), (3, 6, 2)),
        pair((2, 4), (3, 4, 17)),
        pair((4, 3), (2, 3, 3, 2)),
        pair((4, 3), (2, 2, 3, 16)),
        pair((3, 2, 4), (3, 4, 2)),
        pair((2, 1, 2, 3), (3, 3, 2)),
        pair((1, 2, 3), (2, 3, 2)),
        pair((1, 4), (4, 1)),
        pair((2, 0), (0, 3)),
        pair((0, 2, 3), (3, 2)),
    ]
    x = normal(generator, 4, 2).detach().t().requires_grad_()
    constant = normal(generator, 4, 3).detach()
    return [
        *pairs,
        Sample((x, normal(generator, 4, 3)), {}, "transposed"),
        Sample((x, constant), {}, "constant right"),
        Sample((constant.t(), normal(generator, 4, 2)), {}, "constant left"),
    ]


def _matmul_extremes() -> list[Sample]:
    return [Sample((leaf([[1e4, -1e4]]), leaf([[1e4], [1.0]])), {}, "±1e4")]


def _reduction(generator: torch.Generator) -> list[Sample]:
    def x(*shape):
        return normal(generator, *shape)

    flipped = x(2, 3).detach().t().requires_grad_()
    return [
        Sample((x(3, 4),), {}, "all"),
        Sample((x(3, 4), 0), {}, "rows"),
        Sample((x(2, 3, 4), (0, -1)), {}, "two axes"),
        Sample((x(2, 3, 4), [1], True), {}, "kept"),
        Sample((x(3, 4), None, True), {}, "all kept"),
        Sample((x(3, 4), ()), {}, "no axis is all"),
        Sample((flipped, 1), {}, "transposed"),
        Sample((x(),), {}, "scalar"),
        Sample((x(), -1), {}, "scalar along its axis"),
        Sample((x(0, 3), 1), {}, "empty"),
        Sample((x(3, 4),), {"dim": 1, "dtype": torch.float64}, "type"),
    ]


def _pad(generator: torch.Generator) -> list[Sample]:
    line, image, volume = (normal(generator, *shape) for shape in ((2, 3, 5), (1, 2, 4, 5), (2, 3, 4, 3)))
    flipped = image.detach().transpose(2, 3).requires_grad_()
    samples = [
        Sample((line, (1, 2)), {}, "constant"),
        Sample((image, [1, 0, 2, 1], "constant", -1.5), {}, "value"),
        Sample((image, (-1, 2, 1, -2)), {}, "constant, cut"),
        Sample((normal(generator, 0, 3), (1, 1, 1, 0)), {}, "empty"),
    ]
    for mode in ("reflect", "replicate", "circular"):
        samples += [
            Sample((line, (4, 2), mode), {}, f"{mode} line"),
            Sample((image, (2, 1, 0, 3), mode), {}, f"{mode} image"),
            Sample((image, (-1, 2, 1, -1), mode), {}, f"{mode}, cut"),
            Sample((flipped, (2, 1, 0, 3), mode), {}, f"{mode} transposed"),
            Sample((volume, (1, 2, 2, 1, 1, 0), mode), {}, f"{mode} volume without batch"),
        ]
    return samples


def _pad_extremes() -> list[Sample]:
    return [Sample((leaf([[-1e4, 1e4]]), (1, 1), "reflect"), {}, "±1e4")]


def _sum(generator: torch.Generator) -> list[Sample]:
    return [*_reduction(generator), Sample((normal(generator, 0, 3), 0), {}, "over nothing")]


def _reduction_extremes() -> list[Sample]:
    return [Sample((leaf([-1e4, 0.0, 1e4, 1e4]),), {}, "±1e4")]


SPECS: list[Operation] = [
    operation("add", _pairs(alpha=-1.5), extremes=_pair_extremes, rows=("S59",), draw=draws.pair(scaled=True)),
    operation("sub", _pairs(alpha=3), extremes=_pair_extremes, rows=("S48",), draw=draws.pair(scaled=True)),
    operation("mul", _pairs(), extremes=_pair_extremes, rows=("S59",), draw=draws.pair(scaled=False), inductor=True),
    operation("pad", _pad, extremes=_pad_extremes, rows=("S15",), draw=draws.pad),
    operation("matmul", _matmul, extremes=_matmul_extremes, rows=("S1", "S41"), draw=draws.matmul),
    operation("sum", _sum, extremes=_reduction_extremes, rows=("S1",), draw=draws.reduction),
    operation("mean", _reduction, extremes=_reduction_extremes, rows=("S26",), draw=draws.reduction),
]

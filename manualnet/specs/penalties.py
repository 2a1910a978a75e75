"""Specs of the penalties."""

from collections.abc import Callable

import torch

from manualnet.check.spec import Kink, Sample
from manualnet.specs.draws import penalties as draws
from manualnet.specs.spec import away_from, leaf, normal, operation


def _samples(**kwargs) -> Callable[[torch.Generator], list[Sample]]:
    def samples(generator: torch.Generator) -> list[Sample]:
        def tensors(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
            return tuple(away_from(0.0, normal(generator, *shape)) for shape in shapes)

        frozen = torch.randn(3, generator=generator, dtype=torch.float64)
        transposed = away_from(0.0, torch.randn(4, 3, generator=generator, dtype=torch.float64)).t().requires_grad_()
        return [
            Sample(tensors((3, 4)), kwargs, "matrix"),
            Sample(tensors((3, 4), (3,), (), (2, 1, 2, 2)), kwargs, "several"),
            Sample(tensors(()), kwargs, "scalar"),
            Sample(tensors((0, 3), (2,)), kwargs, "one empty"),
            Sample((transposed,), kwargs, "transposed"),
            Sample((*tensors((2,)), frozen), kwargs, "one frozen"),
        ]

    return samples


def _kinks(slopes: list[float], **kwargs) -> Callable[[], list[Kink]]:
    """The gradients at -2, ±0 and 3."""
    expected = (torch.tensor(slopes, dtype=torch.float64),)
    return lambda: [Kink(Sample((leaf([-2.0, -0.0, 0.0, 3.0]),), kwargs, "at 0"), expected)]


def _extremes(**kwargs) -> Callable[[], list[Sample]]:
    return lambda: [Sample((leaf([-1e4, 0.0, 1e4]), leaf(1e4)), kwargs, "±1e4")]


SPECS = [
    operation(
        "elastic_net",
        _samples(beta=0.7),
        _kinks([-3.0, 0.0, 0.0, 4.0], beta=0.5),
        _extremes(beta=0.5),
        ("S29", "S32"),
        draw=draws.weighted_penalty,
        inductor=True,
    ),
    operation("l1_penalty", _samples(), _kinks([-1.0, 0.0, 0.0, 1.0]), _extremes(), ("S29", "S32"), draw=draws.penalty),
    operation("l2_penalty", _samples(), _kinks([-4.0, 0.0, 0.0, 6.0]), _extremes(), ("S29", "S32"), draw=draws.penalty),
]

"""Specs of the activations."""

from collections.abc import Callable

import torch

from manualnet.specs.spec import Kink, Sample, Spec, away_from, leaf, normal


def elementwise(kink: float | None = None, **kwargs) -> Callable[[torch.Generator], list[Sample]]:
    """Samples of every shape and stride that an elementwise function should not notice."""

    def samples(generator: torch.Generator) -> list[Sample]:
        shapes = {"matrix": (3, 4), "scalar": (), "empty": (0, 3), "image": (2, 3, 2, 2)}
        tensors = {label: normal(generator, *shape) for label, shape in shapes.items()}
        tensors["transposed"] = normal(generator, 4, 3).detach().t().requires_grad_()
        if kink is not None:
            tensors = {label: away_from(kink, t) for label, t in tensors.items()}
        return [Sample((t,), kwargs, label) for label, t in tensors.items()]

    return samples


def extremes(**kwargs) -> Callable[[], list[Sample]]:
    return lambda: [Sample((leaf([-1e4, -100.0, 0.0, 100.0, 1e4]),), kwargs, "±1e4")]


def kink(at: float, slope: float, **kwargs) -> Kink:
    return Kink(Sample((leaf([at]),), kwargs), (torch.tensor([slope], dtype=torch.float64),))


SPECS = [
    Spec("sigmoid", elementwise(), extremes=extremes(), rows=("S4",), module="Sigmoid"),
]

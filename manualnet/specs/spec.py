"""What the specs of manualnet's own operations add to a spec, and the tensors that their samples are made of."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from manualnet import functional, reference
from manualnet.check.spec import Kink, Sample, Spec
from manualnet.specs.draws import Draw


@dataclass(frozen=True)
class Operation(Spec):
    """A spec of what has the same name in ``manualnet.functional`` and in ``manualnet.reference.functional``."""

    rows: tuple[str, ...] = ()  # of the lecture, as in docs/lecture.md
    module: str | None = None  # its name in manualnet.nn
    draw: Callable[[Draw], Sample] | None = None  # a call drawn at random, of all that the twin takes and refuses


def no_samples(generator: torch.Generator) -> list[Sample]:
    return []


def operation(
    name: str,
    samples: Callable[[torch.Generator], list[Sample]],
    kinks: Callable[[], list[Kink]] = list,
    extremes: Callable[[], list[Sample]] = list,
    rows: tuple[str, ...] = (),
    module: str | None = None,
    random: bool = False,
    flat: bool = False,
    large: Callable[[torch.Generator], list[Sample]] = no_samples,
    draw: Callable[[Draw], Sample] | None = None,
    inductor: bool = False,
) -> Operation:
    function, twin = getattr(functional, name), getattr(reference.functional, name)
    return Operation(
        name,
        function,
        samples,
        twin,
        kinks,
        extremes,
        large,
        random=random,
        flat=flat,
        hand_written=True,
        inductor=inductor,
        rows=rows,
        module=module,
        draw=draw,
    )


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """A differentiable float64 input."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def away_from(kink: float, x: Tensor, by: float = 0.05) -> Tensor:
    """``x`` with what lies nearer than ``by`` to ``kink`` moved off it."""
    with torch.no_grad():
        side = torch.where(x >= kink, 1.0, -1.0)
        moved = torch.where((x - kink).abs() < by, kink + side * 2 * by, x)
    return moved.requires_grad_(x.requires_grad)


def leaf(values, dtype: torch.dtype = torch.float64) -> Tensor:
    """A differentiable tensor of given values."""
    return torch.tensor(values, dtype=dtype).requires_grad_()

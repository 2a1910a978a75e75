"""What a spec says of an operation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manualnet import functional, reference


@dataclass(frozen=True)
class Sample:
    """One call. The tensors with ``requires_grad`` are what the function is differentiated with respect to."""

    args: tuple
    kwargs: dict[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def inputs(self) -> list[Tensor]:
        tensors = [a for a in (*self.args, *self.kwargs.values()) if isinstance(a, Tensor)]
        return [t for t in tensors if t.requires_grad]

    def with_inputs(self, inputs: Sequence[Tensor]) -> "Sample":
        """The same call with other tensors in the differentiable places."""
        fresh = iter(inputs)

        def swap(a):
            return next(fresh) if isinstance(a, Tensor) and a.requires_grad else a

        args = tuple(swap(a) for a in self.args)
        return Sample(args, {k: swap(a) for k, a in self.kwargs.items()}, self.label)


@dataclass(frozen=True)
class Kink:
    """A point where the derivative is a convention: the gradients expected there for a cotangent of ones."""

    sample: Sample
    gradients: tuple[Tensor, ...]
    like_reference: bool = True  # False where PyTorch has no such function and the twin's primitives choose otherwise


@dataclass(frozen=True)
class Spec:
    """One operation: its name in ``manualnet.functional`` and ``manualnet.reference.functional``, and data about it."""

    name: str
    samples: Callable[[torch.Generator], list[Sample]]  # float64, away from kinks and ties
    kinks: Callable[[], list[Kink]] = list
    extremes: Callable[[], list[Sample]] = list  # up to ±1e4 within the domain
    rows: tuple[str, ...] = ()  # of the lecture, as in docs/lecture.md
    module: str | None = None  # its name in manualnet.nn
    random: bool = False  # draws from PyTorch's generator: seed before each call
    flat: bool = False  # its gradient is 0 everywhere or its twin has none

    @property
    def function(self) -> Callable[..., Tensor]:
        return getattr(functional, self.name)

    @property
    def twin(self) -> Callable[..., Tensor]:
        return getattr(reference.functional, self.name)


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

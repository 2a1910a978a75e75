"""Numerical gradients beside the hand-written one: how far off they are, and how long they take."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from manualnet import functional as F
from manualnet import numeric


@dataclass(frozen=True)
class Errors:
    """How far a numerical gradient is from the hand-written one, as a share of its length, at each step h."""

    method: str
    dtype: torch.dtype
    steps: tuple[float, ...]
    errors: tuple[float, ...]

    @property
    def best(self) -> tuple[float, float]:
        """The step with the smallest error, and that error."""
        return min(zip(self.steps, self.errors, strict=True), key=lambda pair: pair[1])

    def power(self, low: float, high: float) -> float:
        """The p of error ≈ C hᵖ between two steps: the slope of the straight line through the logarithms."""
        inside = [(h, e) for h, e in zip(self.steps, self.errors, strict=True) if low <= h <= high]
        return fitted([h for h, _ in inside], [e for _, e in inside])


def fitted(x: Sequence[float], y: Sequence[float]) -> float:
    """The p of y ≈ C xᵖ, by least squares on logarithms.

    >>> round(fitted([1, 10, 100], [2, 200, 20000]), 6)
    2.0
    """
    u, v = (torch.tensor(list(values), dtype=torch.float64).log() for values in (x, y))
    u, v = u - u.mean(), v - v.mean()
    return float(u @ v / (u @ u))


def errors(function: Callable[[Tensor], Tensor], x: Tensor, method: str, dtype: torch.dtype) -> Errors:
    """Numerical gradients of ``function`` at ``x`` in the type ``dtype``, three steps h a power of ten, from .1 down.

    They are judged by the hand-written gradient in float64.
    """
    exact = x.detach().double().requires_grad_()
    (hand,) = torch.autograd.grad(function(exact), exact)
    last = 6 if dtype == torch.float32 else 12  # a smaller step would not change the larger numbers
    steps = tuple(10 ** (-n / 3) for n in range(3, 3 * last + 1))
    found = (numeric.gradient(function, x.to(dtype), method=method, h=h) for h in steps)
    return Errors(method, dtype, steps, tuple(float((g - hand).norm() / hand.norm()) for g in found))


@dataclass(frozen=True)
class Cost:
    """Seconds for the gradient of so many parameters; ``measured`` is False where differences were extrapolated."""

    parameters: int
    differences: float
    backward: float
    measured: bool

    @property
    def ratio(self) -> float:
        return self.differences / self.backward


def cost(pixels: int, like: Cost | None = None) -> Cost:
    """Time both gradients of the hinge loss of a linear classifier with ten classes.

    With ``like``, differences are not measured: an evaluation is taken to last as long as it did there.
    """
    draw = torch.Generator().manual_seed(pixels)
    x, y = torch.rand(1, pixels, generator=draw), torch.tensor([3])
    weight = torch.rand(10, pixels, generator=draw).requires_grad_()
    n = weight.numel()

    def loss(weight: Tensor) -> Tensor:
        return F.hinge_loss(F.linear(x, weight), y)

    backward = seconds(lambda: torch.autograd.grad(loss(weight), weight), 20)
    if like is not None:
        return Cost(n, like.differences / (like.parameters + 1) * (n + 1), backward, measured=False)
    differences = seconds(lambda: numeric.gradient(loss, weight, method="forward"), 1 + 100 // n)
    return Cost(n, differences, backward, measured=True)


def seconds(call: Callable[[], object], times: int) -> float:
    """The fastest of several calls: whatever else the machine does can only slow one down."""
    fastest = math.inf
    for _ in range(times):
        begun = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest

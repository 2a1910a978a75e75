"""Two-layer networks that come close to a function of one number: with weights set by hand, and with trained ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.lessons.perceptron import minimise, perceptron
from manualnet import functional as F
from manualnet import nn

WIDTHS = (1, 2, 4, 8, 16, 32)


def target(x: Tensor) -> Tensor:
    """A slow wave and a fast one."""
    return torch.sin(3 * x) + 0.5 * torch.cos(7 * x)


def grid(n: int = 65) -> Tensor:
    """The interval from −1 to 1 as a column."""
    return torch.linspace(-1, 1, n, dtype=torch.float64)[:, None]


def by_hand(width: int) -> nn.Sequential:
    """A ReLU network that joins width + 1 points of the target by straight lines: a unit bends it at each
    but the last.

    >>> x = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    >>> torch.allclose(by_hand(2)(x), target(x))
    True
    """
    network = perceptron([1, width, 1], nn.ReLU)
    knots = torch.linspace(-1, 1, width + 1, dtype=torch.float64)
    heights = target(knots)
    slopes = heights.diff() / knots.diff()
    bends = slopes.diff(prepend=slopes.new_zeros(1))
    parts = (torch.ones(width, 1), -knots[:-1], bends[None], heights[:1])
    network.load_state_dict(dict(zip(network.state_dict(), parts, strict=True)))
    return network


def trained(width: int, seed: int = 0) -> nn.Sequential:
    """A tanh network fitted to the target on the grid."""
    network = perceptron([1, width, 1], nn.Tanh, gain=4, bias=3, seed=seed)
    x = grid()
    wanted = target(x)
    minimise(network, lambda: F.mse_loss(network(x), wanted), steps=100)
    return network


def error(network: nn.Module, x: Tensor | None = None) -> float:
    """The root of the mean squared error, on a grid finer than the one that was trained on, or at ``x``."""
    x = grid(1001) if x is None else x
    with torch.no_grad():
        return (network(x) - target(x)).square().mean().sqrt().item()


@dataclass(frozen=True)
class Sweep:
    """Networks of growing width, and their errors."""

    widths: Sequence[int]
    by_hand: Sequence[nn.Module]
    trained: Sequence[nn.Module]

    @property
    def errors(self) -> tuple[list[float], list[float]]:
        return [error(n) for n in self.by_hand], [error(n) for n in self.trained]


def sweep(widths: Sequence[int] = WIDTHS) -> Sweep:
    return Sweep(widths, [by_hand(w) for w in widths], [trained(w) for w in widths])


def best_with_squares() -> float:
    """The error of the best network, of any width, with h(a) = a²: v (w x + b)² + … is a parabola, so the best one."""
    x = grid(1001)
    powers = torch.cat([torch.ones_like(x), x, x**2], dim=1)
    fitted = powers @ torch.linalg.lstsq(powers, target(x)).solution
    return (fitted - target(x)).square().mean().sqrt().item()

"""An activation beside its derivative: where it saturates, where it has a kink, and what differences say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures.style import BLACK, COLOURS, DASHES, GREY, new
from manualnet.numeric import gradient

FLAT = 0.05  # a slope below it lets next to nothing through
EDGE = 1e-9  # how far from a kink its two sides are looked at


@dataclass(frozen=True)
class Curve:
    """Values and slopes of an activation over a grid, and central differences at some of its points."""

    x: Tensor
    value: Tensor
    slope: Tensor
    dots: Tensor
    differences: Tensor
    slope_at_dots: Tensor
    kinks: Tensor
    values_there: Tensor  # left of, at and right of each kink
    slopes_there: Tensor

    @property
    def error(self) -> float:
        """By how much differences and derivative differ at most, away from kinks."""
        return (self.differences - self.slope_at_dots).abs().max().item()

    @property
    def flat(self) -> Tensor:
        """Where the activation is saturated: its slope is small, and stays so to the edge."""
        small = (self.slope.abs() < FLAT).int()
        return (small.cumprod(0) + small.flip(0).cumprod(0).flip(0)) > 0


def curve(activation: Callable[[Tensor], Tensor], kinks: Sequence[float] = (), reach: float = 5.0) -> Curve:
    """The activation from -reach to reach, its slope by the hand-written rule, and by central differences.

    >>> from manualnet import functional as F
    >>> relu = curve(F.relu, kinks=[0])
    >>> relu.slopes_there.tolist(), relu.error < 1e-9
    ([[0.0, 0.0, 1.0]], True)
    """
    x = torch.linspace(-reach, reach, 401, dtype=torch.float64)
    dots = torch.linspace(-reach, reach, 21, dtype=torch.float64)
    at = torch.tensor(kinks, dtype=torch.float64)
    there = torch.stack([at - EDGE, at, at + EDGE], dim=1)
    if len(at):
        dots = dots[(dots[:, None] - at).abs().min(dim=1).values > 1e-3]
    return Curve(
        x=x,
        value=activation(x),
        slope=slopes(activation, x),
        dots=dots,
        differences=gradient(lambda x: activation(x).sum(), dots),
        slope_at_dots=slopes(activation, dots),
        kinks=at,
        values_there=activation(there),
        slopes_there=slopes(activation, there),
    )


def slopes(activation: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """dh/dx at every element, by the backward pass."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(activation(x).sum(), x)[0]


def pair(curves: Mapping[str, Curve], pieces: Mapping[str, Tensor] | None = None, letter: str = "x") -> Figure:
    """The activation to the left, its derivative to the right; several variants in one picture.

    Shaded is where the first one's slope is below ``FLAT``. Where a line jumps, the filled dot is what is taken, and a
    hollow one the limit of a side. ``pieces`` are thin lines that the activation is made of;
    ``letter`` is what its argument is called.
    """
    figure = new(6.6, 3.1)
    left, right = figure.subplots(1, 2)
    for (label, c), colour, dashes in zip(curves.items(), COLOURS, DASHES, strict=False):
        _line(left, c.x, c.value, c.kinks, c.values_there, color=colour, linestyle=dashes, label=label)
        _line(right, c.x, c.slope, c.kinks, c.slopes_there, color=colour, linestyle=dashes)
        right.plot(c.dots, c.differences, "o", color=BLACK, markersize=3, clip_on=False, zorder=4)
    first = next(iter(curves.values()))
    for label, y in (pieces or {}).items():
        left.plot(first.x, y, ":", color=GREY, linewidth=1.2, label=label)
    if right.get_ylim()[1] < 0.1:  # a slope of 0 throughout, on the scale of the other activations
        right.set_ylim(-0.05, 1.05)
    kinks = torch.cat([c.kinks for c in curves.values()]).unique().tolist()
    for axes, what in ((left, f"activation $h({letter})$"), (right, f"derivative $h'({letter})$")):
        for kink in kinks:
            axes.axvline(kink, color=GREY, linestyle=":", linewidth=1, zorder=0)
        if bool(first.flat.any()):
            low, high = axes.get_ylim()
            axes.fill_between(first.x, low, high, where=first.flat.tolist(), color=GREY, alpha=0.15, linewidth=0)
            axes.set_ylim(low, high)
        axes.set(xlabel=f"${letter}$", title=what, xlim=(first.x[0].item(), first.x[-1].item()))
    right.plot([], [], "o", color=BLACK, markersize=3, label="differences")
    right.legend(fontsize=8, handlelength=1)
    if len(curves) > 1 or pieces:
        left.legend(fontsize=8, handlelength=2.6)
    return figure


def _line(axes: Axes, x: Tensor, y: Tensor, kinks: Tensor, there: Tensor, **look: Any) -> None:
    """A line with a gap wherever it jumps, and dots there."""
    jumps = (there - there[:, 1:2]).abs().amax(dim=1) > 1e-6
    at, beside = kinks[jumps], there[jumps]
    away = torch.ones_like(x, dtype=torch.bool) if not len(at) else (x[:, None] - at).abs().amin(dim=1) > 1e-9
    x, y = torch.cat([x[away], at]), torch.cat([y[away], torch.full_like(at, torch.nan)])
    order = x.argsort()
    axes.plot(x[order], y[order], **look)
    for place, (before, here, after) in zip(at.tolist(), beside.tolist(), strict=True):
        for limit in {before, after} - {here}:
            axes.plot(place, limit, "o", markersize=6, markerfacecolor="white", markeredgecolor=look["color"], zorder=3)
        axes.plot(place, here, "o", markersize=6, color=look["color"], zorder=3)

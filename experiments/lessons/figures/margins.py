"""Losses as functions of one number, and what the triplet loss moves."""

from collections.abc import Callable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures import style


def loss_and_slope(
    losses: Mapping[str, Callable[[Tensor], Tensor]], x: Tensor, label: str, top: float | None = None
) -> Figure:
    """Losses of a number, elementwise, on the left and their slopes, by their own backward, on the right."""
    figure = style.new(7, 3.4)
    left, right = figure.subplots(1, 2)
    for name, loss in losses.items():
        at = x.clone().requires_grad_()
        values = loss(at)
        (slopes,) = torch.autograd.grad(values.sum(), at)
        left.plot(x, values.detach(), label=name)
        right.plot(x, slopes, label=name)
    left.set(title="loss", xlabel=label, ylim=(-0.12, top))
    right.set(title="slope", xlabel=label)
    right.legend(loc="upper left", fontsize=9)
    return figure


def triplet(path: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Figure:
    """Anchor, positive and negative in the plane, left before the first step and right after the last."""
    figure = style.new(6.8, 3.6)
    for axes, title, points in zip(figure.subplots(1, 2), ("before", "after"), (path[0], path[-1]), strict=True):
        _triplet(axes, points)
        axes.set_title(title)
    for i, colour in enumerate((style.BLACK, style.BLUE, style.RED)):
        way = torch.stack([points[i] for points in path])
        figure.axes[1].plot(way[:, 0], way[:, 1], ":", color=colour)
    return figure


def _triplet(axes: Axes, points: tuple[Tensor, Tensor, Tensor]) -> None:
    anchor, *others = [(float(point[0]), float(point[1])) for point in points]
    looks = (("p", style.BLUE, "-", "s"), ("n", style.RED, "--", "D"))
    for (letter, colour, dashes, marker), point in zip(looks, others, strict=True):
        axes.plot([anchor[0], point[0]], [anchor[1], point[1]], linestyle=dashes, color=colour, linewidth=1.2)
        axes.plot(*point, marker, color=colour, markersize=8)
        axes.annotate(letter, point, xytext=(8, 3), textcoords="offset points", color=colour)
        square = sum((a - b) ** 2 for a, b in zip(anchor, point, strict=True))
        label = f"‖a − {letter}‖² = {square:.2f}"
        where = (0.03, 0.13 if letter == "p" else 0.03)
        axes.annotate(label, where, xycoords="axes fraction", color=colour)
    axes.plot(*anchor, "o", color=style.BLACK, markersize=8)
    axes.annotate("a", anchor, xytext=(8, 3), textcoords="offset points")
    axes.set(xlim=(0.2, 1.3), ylim=(-0.35, 1.12), aspect="equal")

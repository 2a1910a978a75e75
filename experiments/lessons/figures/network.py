"""A network as a diagram: units as circles with their values, weights on the links."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures.style import BLUE, GREY, RED, new
from experiments.lessons.show.values import written

Point = tuple[float, float]


def network(columns: Sequence[tuple[str, Sequence[Tensor | float]]], weights: Sequence[Tensor]) -> Figure:
    """Columns of units from left to right, as in figure 5.1: all but the last begin with the unit that is always 1.

    Args:
        columns: the letter of a column's units, and their values.
        weights: a matrix for each pair of columns, (units to the right but for the 1, units to the left).
    """
    figure = new(6.4, 3.8)
    axes = figure.add_subplot()
    axes.axis("off")
    places = [[(3.0 * i, _height(j, len(values))) for j in range(len(values))] for i, (_, values) in enumerate(columns)]
    for i, matrix in enumerate(weights):
        ends = places[i + 1] if i + 1 == len(weights) else places[i + 1][1:]
        for row, end in zip(matrix.tolist(), ends, strict=True):
            for j, (weight, start) in enumerate(zip(row, places[i], strict=True)):
                _link(axes, start, end, weight, bias=j == 0)
    for i, (letter, values) in enumerate(columns):
        first = 1 if i + 1 == len(columns) else 0
        for j, (value, at) in enumerate(zip(values, places[i], strict=True)):
            _unit(axes, at, f"${letter}_{j + first}$", float(value), bias=not first and j == 0)
    axes.set(xlim=(-0.6, 3 * len(weights) + 0.6), ylim=(-2.55, 2.6), aspect="equal")
    return figure


def _height(j: int, units: int) -> float:
    return 1.75 * ((units - 1) / 2 - j)


def _unit(axes: Axes, at: Point, name: str, value: float, bias: bool) -> None:
    axes.plot(*at, "o", markersize=38, markeredgecolor=RED if bias else BLUE, markerfacecolor="white", zorder=3)
    axes.annotate(f"{name}\n{written(value, 3)}", at, ha="center", va="center", fontsize=9, zorder=4)


def _link(axes: Axes, start: Point, end: Point, weight: float, bias: bool) -> None:
    colour = RED if bias else GREY
    axes.plot(*zip(start, end, strict=True), "--" if bias else "-", color=colour, linewidth=1.2, zorder=1)
    at = (start[0] + 0.31 * (end[0] - start[0]), start[1] + 0.31 * (end[1] - start[1]))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    axes.annotate(written(weight, 3), at, ha="center", va="center", fontsize=8.5, color=colour, bbox=box, zorder=2)

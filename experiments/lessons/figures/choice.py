"""What is minimised, and how the minimum is reached."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures import style


def bars(names: Sequence[float], losses: Sequence[float], sizes: Sequence[float]) -> Figure:
    """The loss of each w, and the penalty on its size on top; the smallest sum of each kind has a star."""
    figure = style.new(6.2, 3.4)
    for i, (axes, title) in enumerate(zip(figure.subplots(1, 2, sharey=True), ("L(w)", "L(w) + ‖w‖"), strict=True)):
        totals = [loss + i * size for loss, size in zip(losses, sizes, strict=True)]
        axes.bar(names, losses, color=style.BLUE, width=0.6, label="L(w)")
        if i:
            axes.bar(
                names, sizes, bottom=losses, color="white", edgecolor=style.RED, hatch="//", width=0.6, label="‖w‖"
            )
            axes.legend(loc="upper right", bbox_to_anchor=(1.0, 1.02))
        for name, total in zip(names, totals, strict=True):
            best = "★ " if total == min(totals) else ""
            axes.text(name, total + 0.12, f"{best}{total:g}", ha="center", va="bottom")
        axes.set(title=title, xlabel="w", xticks=list(names), ylim=(0, 8.2))
        axes.grid(axis="x", visible=False)
        axes.set_axisbelow(True)
    return figure


def descent_to_line(
    x: Tensor, t: Tensor, lines: Mapping[int, Tensor], best: Tensor, distances: Sequence[float]
) -> Figure:
    """Left the points and the line after some steps, right how far the weights still are from the closed form's.

    Args:
        x, t: the points, (N,).
        lines: intercept and slope after a number of steps.
        best: intercept and slope of the closed form.
        distances: of the weights from ``best``, before the first step and after each.
    """
    figure = style.new(6.8, 3.4)
    left, right = figure.subplots(1, 2)
    left.plot(x, t, "o", color=style.BLACK, markersize=7)
    ends = torch.tensor([x.min() - 0.3, x.max() + 0.3], dtype=x.dtype)
    colours = (style.GREY, style.ORANGE, style.RED)
    for (steps, w), colour, dashes in zip(lines.items(), colours, (":", "-.", "--"), strict=False):
        left.plot(
            ends, w[0] + w[1] * ends, linestyle=dashes, color=colour, label=f"after {steps} step{'s' * (steps > 1)}"
        )
    left.plot(ends, best[0] + best[1] * ends, linestyle="-", color=style.BLUE, label="normal equations", zorder=1)
    left.set(title="The line", xlabel="x", ylabel="t")
    left.legend(loc="upper left", fontsize=9)
    left.set_ylim(-0.4, 8.4)
    right.plot(range(len(distances)), distances, linestyle="-", color=style.BLUE)
    right.set(title="Distance from the closed form", xlabel="step", yscale="log")
    return figure

"""The loss along a line and on a plane through weight space, with the path of gradient descent."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from experiments.lessons.figures import style
from experiments.lessons.landscapes import Plane, Slice


def slices(cuts: Mapping[str, Slice]) -> Figure:
    """A panel a loss: the curve along the line, and each step as a dot on it."""
    figure = style.new(6.8, 3.2)
    panels = figure.subplots(1, len(cuts), squeeze=False)[0]
    for axes, (name, one) in zip(panels, cuts.items(), strict=True):
        axes.plot(one.t, one.losses, color=style.BLUE, linestyle="-", label="loss along the line")
        steps = {"color": style.RED, "linestyle": ":", "marker": "o", "markersize": 4.5, "linewidth": 1.2}
        axes.plot(one.path, one.path_losses, label="gradient descent", **steps)
        axes.set(title=name, xlabel="t", ylim=(0, None))
    panels[0].set_ylabel("L(w(t))")
    panels[0].legend(loc="upper right")
    return figure


def planes(found: Mapping[str, Plane]) -> Figure:
    """A panel a loss: contours of the plane, and the path from its start (square) to its end (star)."""
    figure = style.new(6.8, 3.9)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (name, one) in zip(panels, found.items(), strict=True):
        low, high = float(one.losses.min()), float(one.losses.max())
        levels = [low + (high - low) * (k / 14) ** 2 for k in range(15)]  # closer together near the bottom
        axes.contourf(one.u, one.v, one.losses, levels=levels, cmap="Greys_r", alpha=0.45)
        lines = axes.contour(one.u, one.v, one.losses, levels=levels[1:], colors=style.GREY, linewidths=0.6)
        axes.clabel(lines, levels[3::3], fmt="%.2g", fontsize=8)
        axes.plot(*one.path.t(), color=style.RED, linestyle="-", marker="o", markersize=3, linewidth=1.3)
        axes.plot(*one.path[0], "s", color=style.BLACK, markersize=7)
        axes.plot(*one.path[-1], "*", color=style.BLUE, markersize=13)
        axes.set(title=name, xlabel="along the path", aspect="equal")
        axes.grid(visible=False)
    panels[0].set_ylabel("across it")
    return figure

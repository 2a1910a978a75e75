"""What a gradient costs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from experiments.lessons.differences import Cost
from experiments.lessons.figures import style


def time_of_gradients(costs: Sequence[Cost]) -> Figure:
    """Seconds against number of parameters, by differences and by one backward; hollow where extrapolated."""
    figure = style.new(6.2, 3.8)
    axes = figure.subplots()
    n = [c.parameters for c in costs]
    axes.plot(
        n, [c.differences for c in costs], color=style.RED, linestyle="--", label="differences, n + 1 evaluations"
    )
    axes.plot(n, [c.backward for c in costs], color=style.BLUE, linestyle="-", label="one forward and one backward")
    for c in costs:
        fill = style.RED if c.measured else "white"
        axes.plot([c.parameters], [c.differences], "s", color=style.RED, markerfacecolor=fill, markersize=7)
        axes.plot([c.parameters], [c.backward], "o", color=style.BLUE, markersize=6)
        where: dict[str, Any] = {
            "xytext": (0, 7),
            "textcoords": "offset points",
            "ha": "right",
            "fontsize": 9,
            "color": style.RED,
        }
        axes.annotate(f"× {c.ratio:,.0f} ", (c.parameters, c.differences), **where)
    axes.set(xscale="log", yscale="log", xlabel="number of parameters n", ylabel="seconds")
    axes.set_xlim(n[0] / 2, n[-1] * 2)
    axes.set_xticks(n, [f"{v:,}" for v in n])
    axes.set_ylim(costs[0].backward / 3, costs[-1].differences * 5)
    axes.minorticks_off()
    axes.legend(loc="upper left")
    return figure

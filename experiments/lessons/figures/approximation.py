"""A function approximated by networks of growing width."""

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from experiments.lessons.approximation import Sweep, grid, target
from experiments.lessons.figures.style import BLACK, BLUE, RED, new


def growing(sweep: Sweep, shown: tuple[int, ...] = (2, 4, 16)) -> Figure:
    """The target, and networks of some widths through it; below, the error of every width."""
    figure = new(7.0, 5.0)
    layout = figure.subplot_mosaic([[str(w) for w in shown], ["errors"] * len(shown)])
    x = grid(401)
    for width in shown:
        axes, i = layout[str(width)], sweep.widths.index(width)
        axes.plot(x, target(x), color=BLACK, linewidth=3, alpha=0.3, label="target")
        with torch.no_grad():
            axes.plot(x, sweep.by_hand[i](x), color=BLUE, linestyle="-", linewidth=1.4, label="by hand (ReLU)")
            axes.plot(x, sweep.trained[i](x), color=RED, linestyle="--", linewidth=1.4, label="trained (tanh)")
        axes.set(title=f"{width} hidden units", ylim=(-1.8, 1.5))
        axes.tick_params(labelleft=width == shown[0])
    by_hand, trained = sweep.errors
    axes = layout["errors"]
    axes.plot([], [], color=BLACK, linewidth=3, alpha=0.3, label="target")
    axes.loglog(sweep.widths, by_hand, "o-", color=BLUE, label="weights set by hand (ReLU)")
    axes.loglog(sweep.widths, trained, "s--", color=RED, label="trained (tanh)")
    axes.set(xlabel="hidden units", ylabel="root mean squared error", xticks=sweep.widths)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.legend(fontsize=9)
    return figure

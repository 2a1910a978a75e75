"""Learning rates: too low, good and too high; and where they stop working on a parabola."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures import style

LOOKS = [(style.BLUE, "-", "o"), (style.GREEN, "--", "s"), (style.ORANGE, "-.", "^"), (style.RED, ":", "D")]


def curves(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Training loss against steps, a line a learning rate; what leaves the top has diverged."""
    figure = style.new(6.2, 3.6)
    axes = figure.subplots()
    top = 1.6 * max(values[0] for values in losses.values())
    for (name, values), (colour, dashes, marker) in zip(losses.items(), LOOKS, strict=False):
        steps = [0, *(5 * i + 3 for i in range(len(values) - 1))]
        seen = [min(v, 10 * top) for v in values]  # a line cannot be drawn to infinity
        axes.plot(steps, seen, color=colour, linestyle=dashes, marker=marker, markersize=3.5, label=name)
    axes.set(xlabel="steps", ylabel="training loss, means of five steps", ylim=(0, top))
    axes.legend(loc="lower left", title="learning rate", ncols=len(losses))
    return figure


def bound(c: float, paths: Mapping[float, Tensor]) -> Figure:
    """Above: the way down ½cw² at each learning rate, of up to four, side by side. Below: w against steps."""
    figure = style.new(6.8, 4.6)
    grid = figure.add_gridspec(2, len(paths))
    reach = 1.9
    w = torch.linspace(-reach, reach, 100)
    below = figure.add_subplot(grid[1, :])
    for k, ((lr, path), (colour, dashes, marker)) in enumerate(zip(paths.items(), LOOKS, strict=False)):
        axes = figure.add_subplot(grid[0, k])
        axes.plot(w, c / 2 * w**2, color=style.GREY, linestyle="-", linewidth=1)
        near = path[path.abs() <= reach]
        axes.plot(near, c / 2 * near**2, color=colour, linestyle="-", linewidth=1.2, marker=marker, markersize=4)
        axes.set(title=f"η = {lr:g}", xlabel="w", xlim=(-reach, reach), ylim=(0, c / 2 * reach**2))
        if k:
            axes.set_yticklabels([])
        else:
            axes.set_ylabel("½cw²")
        label = f"η = {lr:g}, w × {1 - lr * c:.2g}".replace("-", "−")
        shown = path[: int((path.abs() < 3).cumprod(0).sum()) + 1]  # the first step out of sight is drawn
        below.plot(range(len(shown)), shown, color=colour, linestyle=dashes, marker=marker, markersize=4, label=label)
    below.set(xlabel="steps", ylabel="w", ylim=(-3.2, 7.4))
    below.legend(loc="upper right", fontsize=9, ncols=2)
    return figure

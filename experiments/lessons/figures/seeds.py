"""Networks that differ in nothing but where they start."""

import math
from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures import style


def ends(losses: Mapping[int, Tensor], levels: Mapping[str, float]) -> Figure:
    """A column a width, a dot a network: the loss at which it ended. Lines mark the levels of known local optima."""
    figure = style.new(6.4, 3.8)
    axes = figure.subplots()
    for name, level in levels.items():
        axes.axhline(level, color=style.GREY, linestyle=":", linewidth=1)
        text = axes.text(len(losses) - 0.5, level, name, va="center", fontsize=9, color=style.GREY)
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    for k, ended in enumerate(losses.values()):
        ended = ended.sort().values
        across = torch.linspace(-0.28, 0.28, len(ended))
        stuck = ended > 0.1
        axes.plot(k + across[~stuck], ended[~stuck], "o", color=style.BLUE, markersize=4)
        axes.plot(k + across[stuck], ended[stuck], "x", color=style.RED, markersize=5, markeredgewidth=1.6)
    labels = [f"{width}\n{int((ended > 0.1).sum())} of {len(ended)} stuck" for width, ended in losses.items()]
    axes.set_xticks(range(len(losses)), labels)
    axes.set(xlabel="hidden units", ylabel="loss at the end", xlim=(-0.5, len(losses) + 0.25), ylim=(-0.03, 0.75))
    axes.grid(visible=False)
    return figure


def gaps(errors: Mapping[str, tuple[Tensor, Tensor]], floor: float) -> Figure:
    """Mean training and test error side by side for each setting, with the standard error of the mean."""
    figure = style.new(6.4, 3.4)
    axes = figure.subplots()
    for k, found in enumerate(zip(*errors.values(), strict=True)):
        name, colour, hatch = (("training", style.SKY, "//"), ("test", style.RED, ""))[k]
        means = [float(e.mean()) for e in found]
        deviations = [float(e.std()) / math.sqrt(len(e)) for e in found]
        places = [i + 0.38 * (k - 0.5) for i in range(len(found))]
        bars = axes.bar(places, means, 0.36, yerr=deviations, color=colour, hatch=hatch, edgecolor="white", label=name)
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=9)
    axes.axhline(floor, color=style.GREY, linestyle=":", linewidth=1.2)
    axes.text(len(errors) - 0.5, floor + 0.01, "wrong labels", va="bottom", fontsize=9, color=style.GREY)
    axes.set_xticks(range(len(errors)), list(errors))
    axes.set(ylabel="share of errors", xlim=(-0.5, len(errors) + 0.3), ylim=(0, 0.48))
    axes.grid(visible=False)
    axes.legend(ncols=2, loc="upper right")
    return figure

"""What depth buys, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.lessons.depth import Trained, tent
from experiments.lessons.figures.style import BLACK, BLUE, GREY, RED, new

LOOKS: dict[str, dict[str, Any]] = {
    "ReLU": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "sigmoid": {"color": RED, "linestyle": "--", "marker": "s"},
}


def tents(depths: Sequence[int] = (1, 2, 3, 5)) -> Figure:
    """The line that is folded again with every layer of two units."""
    figure = new(7.0, 2.0)
    x = torch.linspace(0, 1, 257, dtype=torch.float64)[:, None]
    for axes, depth in zip(figure.subplots(1, len(depths), sharey=True), depths, strict=True):
        with torch.no_grad():
            axes.plot(x, tent(depth)(x), color=BLUE, linewidth=1.3)
        axes.set(title=f"{depth} layer{'s' * (depth > 1)}: {2**depth} pieces", xticks=[0, 1], yticks=[0, 1])
        axes.title.set_fontsize(9)
    return figure


def vanishing(by_layer: Mapping[str, Sequence[float]], by_depth: Mapping[str, Mapping[int, float]]) -> Figure:
    """Left, the gradient's norm at every layer of one deep network; right, at the first layer of several depths."""
    figure = new(7.0, 3.2)
    left, right = figure.subplots(1, 2, sharey=True)
    for kind, norms in by_layer.items():
        left.semilogy(range(1, len(norms) + 1), norms, label=kind, **LOOKS[kind])
    for kind, firsts in by_depth.items():
        right.loglog(list(firsts), list(firsts.values()), label=kind, **LOOKS[kind])
    layers = max(len(norms) for norms in by_layer.values())
    left.set(title=f"{layers - 1} hidden layers", xlabel="layer, from the input", ylabel="norm of the gradient")
    right.set(title="the first layer", xlabel="hidden layers")
    ticks = sorted({depth for firsts in by_depth.values() for depth in firsts})
    right.set_xticks(ticks, [str(t) for t in ticks])
    right.xaxis.set_minor_locator(NullLocator())
    left.legend()
    return figure


def equal_size(sweeps: Mapping[str, Sequence[Trained]]) -> Figure:
    """The loss that networks of about the same number of weights are trained to, by depth; a mark a start."""
    figure = new(6.0, 3.2)
    axes = figure.add_subplot()
    for shift, (kind, found) in zip((-0.08, 0.08), sweeps.items(), strict=True):
        look = LOOKS[kind]
        places = [i + shift for i in range(len(found))]
        axes.plot(places, [min(t.losses) for t in found], color=look["color"], linestyle=look["linestyle"])
        for place, t in zip(places, found, strict=True):
            axes.plot([place] * len(t.losses), t.losses, look["marker"], color=look["color"], markersize=6)
        axes.plot([], [], label=kind, **look)
    axes.axhline(torch.tensor(2.0).log().item(), color=GREY, linestyle=":", linewidth=1.2)
    axes.annotate("ln 2: nothing learned", (0, 0.7), va="bottom", fontsize=9, color=BLACK)
    first = next(iter(sweeps.values()))
    axes.set_xticks(range(len(first)), [f"{t.depth} × {t.width}\n({t.parameters})" for t in first])
    axes.set(xlabel="hidden layers × units (weights and biases)", ylabel="loss after training", ylim=(-0.03, 0.8))
    axes.legend(loc="center left")
    return figure

"""Where networks decide between two classes of points in the plane."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments.lessons.figures.style import BLACK, BLUE, ORANGE, new
from experiments.lessons.toy import Data


def accuracy(network: nn.Module, data: Data) -> float:
    """The share of points on the right side: a positive score is class 1."""
    points, target = data
    with torch.no_grad():
        return ((network(points)[:, 0] > 0) == (target > 0)).double().mean().item()


def boundaries(problems: Mapping[str, Data], networks: Mapping[str, Sequence[tuple[str, nn.Module]]]) -> Figure:
    """A row of panels a problem, a column a network; in each the points, the two regions, and the accuracy."""
    columns = max(len(row) for row in networks.values())
    figure = new(7.0, 1.95 * len(problems))
    panels = figure.subplots(len(problems), columns, squeeze=False)
    for row, (name, data) in zip(panels, problems.items(), strict=True):
        for axes, (label, network) in zip(row, networks[name], strict=True):
            _regions(axes, network, data)
            axes.set_title(f"{label}: {100 * accuracy(network, data):.0f} %", fontsize=9)
        row[0].set_ylabel(name)
    return figure


def _regions(axes: Axes, network: nn.Module, data: Data) -> None:
    points, target = data
    low, high = points.amin(dim=0) - 0.25, points.amax(dim=0) + 0.25
    across, up = (torch.linspace(low[i].item(), high[i].item(), 121, dtype=torch.float64) for i in (0, 1))
    places = torch.cartesian_prod(across, up)
    with torch.no_grad():
        scores = network(places).reshape(len(across), len(up)).T
    axes.contourf(across, up, scores > 0, levels=[-0.5, 0.5, 1.5], cmap=ListedColormap(["#D9EAF5", "#FBEBCB"]))
    if bool((scores > 0).any()) and bool((scores < 0).any()):
        axes.contour(across, up, scores, levels=[0], colors=BLACK, linewidths=1)
    for points_of, marker, colour in ((points[target == 0], "o", BLUE), (points[target == 1], "^", ORANGE)):
        _dots(axes, points_of, marker, colour)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)


def _dots(axes: Axes, points: Tensor, marker: str, colour: str) -> None:
    axes.plot(*points.T, marker, markersize=3.2, color=colour, markeredgecolor=BLACK, markeredgewidth=0.4)

"""Simple and complex cells: a filter that looks for an edge, and the largest of its answers."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures.style import BLUE, new


def cells(pictures: Mapping[str, Tensor], simple: Mapping[str, Tensor], complex_: Mapping[str, float]) -> Figure:
    """Pictures above, the answers of the simple cells below, and of the complex cell under them."""
    figure = new(6.4, 4.2)
    above, below = figure.subplots(2, len(pictures))
    for axes, (name, picture) in zip(above, pictures.items(), strict=True):
        axes.imshow(picture.numpy(), cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=10)
    for axes, name in zip(below, pictures, strict=True):
        axes.imshow(simple[name].numpy(), cmap="Blues", vmin=0, vmax=3)
        axes.set_title("simple cells", fontsize=10)
        axes.set_xlabel(f"complex cell: {complex_[name]:g}", fontsize=10, color=BLUE)
    for axes in [*above, *below]:
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    return figure


def learning(losses: Mapping[str, list[float]]) -> Figure:
    """The loss of several networks, step by step."""
    figure = new(5.6, 2.8)
    axes = figure.add_subplot()
    for label, values in losses.items():
        axes.plot(values, label=label)
    axes.set(xlabel="step of gradient descent", ylabel="loss", ylim=(0, None))
    axes.legend()
    return figure

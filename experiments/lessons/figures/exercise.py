"""The network of the hands-on exercise, with its weights and without its answers."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from experiments.lessons.figures import style
from experiments.lessons.show.values import written

RADIUS = 0.27
INPUTS, ONE, HIDDEN, OUTPUT = (
    ((0.5, 3.3), (0.5, 2.0), (0.5, 0.7)),
    (3.2, 3.3),
    ((3.2, 2.0), (3.2, 0.7)),
    ((5.5, 2.65), (5.5, 1.35)),
)


def network_to_fill_in(x: Tensor, t: Tensor, W1: Tensor, W2: Tensor) -> Figure:
    """Two inputs, two hidden units, two outputs, every weight on its line: values and errors are left as ?.

    Args:
        x, t: two inputs, without the 1, and two targets.
        W1, W2: two rows each, the biases in the first column.
    """
    figure = style.new(6.8, 4.2)
    axes = figure.subplots()
    axes.set(xlim=(-0.1, 6.9), ylim=(-0.1, 4.1), aspect="equal")
    axes.set_axis_off()
    for W, ends, starts in ((W1, HIDDEN, INPUTS), (W2, OUTPUT, (ONE, *HIDDEN))):
        for unit, (weights, end) in enumerate(zip(W, ends, strict=True)):
            for weight, start in zip(weights, starts, strict=True):
                _line(axes, start, end, written(weight), near=0.28 if unit == 0 else 0.72)
    for value, place in zip((1.0, *x.tolist(), 1.0), (*INPUTS, ONE), strict=True):
        axes.add_patch(Circle(place, RADIUS, facecolor="#E6E6E6", edgecolor=style.BLACK, zorder=3))
        axes.text(*place, written(value), ha="center", va="center", fontsize=11, zorder=4)
    for layer, name in ((HIDDEN, "z"), (OUTPUT, "y")):
        for i, (u, v) in enumerate(layer):
            axes.add_patch(Circle((u, v), RADIUS, facecolor="white", edgecolor=style.BLACK, linewidth=1.5, zorder=3))
            axes.text(u, v, "σ", ha="center", va="center", fontsize=12, zorder=4)
            left, down, across = (u, v - 0.33, "center") if layer is HIDDEN else (u + 0.4, v - 0.1, "left")
            unknown = f"{name}{'₁₂'[i]} = ?   δ{'₁₂'[i]} = ?"
            axes.text(left, down, unknown, ha=across, va="top", fontsize=9)
    for u, text in ((0.5, "inputs"), (3.2, "hidden"), (5.5, "outputs")):
        axes.text(u, 3.85, text, ha="center", va="center", fontsize=10, color=style.GREY)
    for (u, v), target in zip(OUTPUT, t, strict=True):
        axes.text(u + 0.4, v + 0.1, f"target {written(target)}", va="center", fontsize=9)
    return figure


def _line(axes: Axes, start: tuple[float, float], end: tuple[float, float], weight: str, near: float) -> None:
    axes.plot(*zip(start, end, strict=True), color=style.GREY, linestyle="-", linewidth=1, zorder=1)
    x, y = (a + near * (b - a) for a, b in zip(start, end, strict=True))
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
    axes.text(x, y, weight, ha="center", va="center", fontsize=10, color=style.BLUE, bbox=paper, zorder=2)

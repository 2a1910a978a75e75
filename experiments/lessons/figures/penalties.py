"""What penalties prefer, and what they do to a fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures import style
from experiments.lessons.shrinkage import Curve, truth


def paths(found: Mapping[str, Tensor], strengths: Tensor, names: Sequence[str]) -> Figure:
    """Weights against the strength λ: a panel a penalty, a line an input; ``found`` holds (strengths, inputs)."""
    figure = style.new(7, 3.4)
    panels = figure.subplots(1, len(found), sharey=True)
    for axes, (penalty, weights) in zip(panels, found.items(), strict=True):
        for i, name in enumerate(names):
            markers = {"marker": "ov^sDP"[i % 6], "markersize": 4, "markevery": (i % 3, 4)}
            axes.plot(strengths, weights[:, i], label=name, **markers)
        axes.axhline(0, color=style.BLACK, linewidth=0.8, linestyle="-", zorder=0)
        axes.set(title=penalty, xscale="log", xlabel="λ")
    panels[0].set_ylabel("weight")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def balls(beta: float = 0.5) -> Figure:
    """Curves of equal penalty on two weights, and the line of those that give the same score, w₁ + w₂ = 1."""
    figure = style.new(7, 2.9)
    axis = torch.linspace(-0.45, 1.25, 200)
    first, second = torch.meshgrid(axis, axis, indexing="xy")
    sizes = {
        "L2: Σ w²": lambda a, b: a**2 + b**2,
        "L1: Σ |w|": lambda a, b: abs(a) + abs(b),
        f"elastic net, β = {beta:g}": lambda a, b: beta * (a**2 + b**2) + abs(a) + abs(b),
    }
    half = torch.tensor(0.5)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    beside: dict[str, Any] = {"xytext": (6, 6), "textcoords": "offset points", "bbox": paper, "fontsize": 9}
    for axes, (title, size) in zip(figure.subplots(1, 3, sharey=True), sizes.items(), strict=True):
        least = float(size(half, half))
        levels = [least * share for share in (0.25, 0.6, 1.0, 1.5)]
        axes.contour(first, second, size(first, second), levels, colors=[style.BLUE], linewidths=1.2)
        axes.plot([-0.25, 1.25], [1.25, -0.25], "--", color=style.RED)
        ends = torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.5])
        at_ends = size(*ends)
        for x, y, value in zip(*ends, at_ends, strict=True):
            fill = style.BLACK if value <= at_ends.min() + 1e-6 else "white"
            axes.plot([x], [y], "o", color=style.BLACK, markerfacecolor=fill, markersize=7, zorder=3)
            axes.annotate(f"{value:g}", (float(x), float(y)), **beside)
        axes.set(title=title, xlabel="$w_1$", aspect="equal", xlim=(-0.45, 1.25), ylim=(-0.45, 1.25))
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
    figure.axes[0].set_ylabel("$w_2$")
    return figure


def noisy_fit(curve: Curve, shown: Sequence[int]) -> Figure:
    """Left the points and the fit at some strengths, right the errors of training and testing against λ."""
    figure = style.new(7, 3.5)
    left, right = figure.subplots(1, 2)
    x = torch.linspace(-1, 1, 300, dtype=torch.float64)
    left.plot(x, truth(x), color=style.GREY, linestyle="-", linewidth=1, label="without noise")
    left.plot(curve.x, curve.t, "o", color=style.BLACK, markersize=5)
    looks = ((style.RED, "--"), (style.BLUE, "-"), (style.GREEN, "-."))
    for which, (colour, dashes) in zip(shown, looks, strict=False):
        label = f"λ = {_round(float(curve.strengths[which]))}"
        left.plot(x, curve.at(x, which), color=colour, linestyle=dashes, label=label)
    left.set(title="Polynomials of degree 12", xlabel="x", ylim=(-2.2, 3.4))
    left.legend(loc="upper left", fontsize=9, ncols=2, columnspacing=1)
    _errors(right, curve)
    return figure


def _errors(axes: Axes, curve: Curve) -> None:
    axes.plot(curve.strengths, curve.test, color=style.RED, linestyle="--", label="test")
    axes.plot(curve.strengths, curve.train, color=style.BLUE, linestyle="-", label="train")
    axes.fill_between(curve.strengths, curve.train, curve.test, color=style.GREY, alpha=0.12)
    strength, error = float(curve.strengths[curve.best]), float(curve.test[curve.best])
    label = f"{error:.2f} at λ = {_round(strength)}"
    axes.plot([strength], [error], "o", color=style.RED, markersize=7, label=label)
    axes.set(title="Mean squared error", xscale="log", yscale="log", xlabel="λ")
    axes.legend(loc="lower right", fontsize=9)


def _round(strength: float) -> str:
    """One digit, not 3e+01."""
    return f"{float(f'{strength:.1g}'):g}"


def before_and_after(pairs: Mapping[str, tuple[Tensor, Tensor]], range_of_colours: tuple[float, float]) -> Figure:
    """Matrices of numbers, above as they come in and below as they go out, a column a function; 0 is white."""
    figure = style.new(7, 3.6)
    panels = figure.subplots(2, len(pairs), squeeze=False)
    low, high = range_of_colours
    for i, (title, matrices) in enumerate(pairs.items()):
        for axes, matrix in zip(panels[:, i], matrices, strict=True):
            image = axes.imshow(matrix.numpy(), cmap="PuOr", vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set_visible(True)
        panels[0, i].set_title(title, fontsize=10)
    panels[0, 0].set_ylabel("in")
    panels[1, 0].set_ylabel("out")
    figure.colorbar(image, ax=panels, shrink=0.8, pad=0.02)
    return figure

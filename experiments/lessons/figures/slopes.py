"""Slopes from differences: secants that turn into the tangent, and how the error depends on the step."""

from collections.abc import Callable, Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from torch import Tensor

from experiments.lessons.differences import Errors
from experiments.lessons.figures import style

SHORT = {torch.float32: "float32", torch.float64: "float64"}


def secants(function: Callable[[Tensor], Tensor], at: float, slope: float, steps: Sequence[float]) -> Figure:
    """Secants through ``at`` and ``at + h`` for each h of ``steps``, the tangent of that ``slope``, and all slopes."""
    figure = style.new(6.8, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    x = torch.linspace(at - 0.8, at + max(steps) + 0.15, 200, dtype=torch.float64)
    point = torch.tensor(at, dtype=torch.float64)
    left.plot(x, function(x), color=style.BLACK, linestyle="-", linewidth=2.2, label="f(x) = x³")
    colours = (style.RED, style.ORANGE, style.PURPLE, style.SKY)
    for h, colour, dashes in zip(steps, colours, ("--", "-.", ":", (0, (5, 1))), strict=False):
        rise = float(function(point + h) - function(point)) / h
        left.plot(x, function(point) + rise * (x - at), color=colour, linestyle=dashes, label=f"h = {h:g}: {rise:.4g}")
        left.plot([at + h], [function(point + h)], "o", color=colour, markersize=5)
    left.plot(x, function(point) + slope * (x - at), color=style.BLUE, linestyle="-", label=f"tangent: {slope:g}")
    left.plot([at], [function(point)], "o", color=style.BLACK, markersize=6)
    left.set(title="Secants through x and x + h", xlabel="x", ylim=(-3, float(function(x[-1])) * 1.02))
    left.legend(loc="upper left", title="slope", fontsize=8.5, title_fontsize=8.5)

    moved = torch.linspace(0.01, max(steps), 100, dtype=torch.float64)
    right.axhline(slope, color=style.BLUE, linestyle="-", linewidth=1.2)
    right.plot(
        moved, (function(point + moved) - function(point)) / moved, color=style.RED, linestyle="--", label="forward"
    )
    central = (function(point + moved) - function(point - moved)) / (2 * moved)
    right.plot(moved, central, color=style.GREEN, linestyle="-.", label="central")
    right.text(max(steps), slope - 0.1, "f ′(x)", ha="right", va="top", color=style.BLUE)
    right.set(title="The slope as h goes to 0", xlabel="h", ylim=(slope - 0.6, None))
    right.yaxis.set_major_locator(MultipleLocator(1))
    right.legend(loc="upper left")
    return figure


def step_size(found: Sequence[Errors]) -> Figure:
    """Relative error against step size, on logarithmic axes: a line a method and type, the best step marked."""
    figure = style.new(6.6, 4.4)
    axes = figure.subplots()
    looks = {
        ("forward", torch.float32): (style.ORANGE, ":", "s"),
        ("central", torch.float32): (style.RED, "--", "D"),
        ("forward", torch.float64): (style.SKY, "-.", "^"),
        ("central", torch.float64): (style.BLUE, "-", "o"),
    }
    for one in found:
        colour, dashes, marker = looks[one.method, one.dtype]
        label = f"{one.method}, {SHORT[one.dtype]}"
        axes.plot(one.steps, one.errors, color=colour, linestyle=dashes, marker=marker, markersize=3.5, label=label)
        h, error = one.best
        axes.plot([h], [error], marker, color=colour, markersize=9, markeredgecolor=style.BLACK)
    for h, error, text in (
        (3e-5, 1.2e-4, "falls with h"),
        (2e-2, 3e-9, "falls\nwith h²"),
        (1e-10, 2e-3, "rises with 1/h"),
    ):
        axes.text(h, error, text, ha="center", va="center", color=style.GREY, fontsize=9)
    axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative error of the gradient")
    axes.invert_xaxis()
    axes.legend(loc="lower right", fontsize=9, title="best step of each: large marker", title_fontsize=9)
    return figure

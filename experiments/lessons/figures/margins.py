"""Losses as functions of the margin by which the right score leads, and what the triplet loss moves."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures.style import BLUE, GREEN, GREY, RED, new
from manualnet import functional as F


def margin_losses() -> Figure:
    """Hinge and cross-entropy of two classes, and their slopes, against the lead of the right score (S25, S33)."""
    lead = torch.linspace(-3, 4, 281, dtype=torch.float64, requires_grad=True)
    scores, target = torch.stack([lead, torch.zeros_like(lead)], dim=1), torch.zeros(len(lead), dtype=torch.long)
    figure = new(7, 3)
    value, slope = figure.subplots(1, 2)
    lines = (("hinge", F.hinge_loss, BLUE, "-"), ("cross-entropy", F.cross_entropy, RED, "--"))
    for name, loss, colour, dash in lines:
        losses = loss(scores, target, reduction="none")
        (slopes,) = torch.autograd.grad(losses.sum(), lead, retain_graph=True)
        value.plot(lead.detach(), losses.detach(), color=colour, linestyle=dash, label=name)
        slope.plot(lead.detach(), slopes, color=colour, linestyle=dash, label=name)
    for axes, title in ((value, "loss"), (slope, "slope")):
        axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
        axes.set(title=title, xlabel="right score − other score")
    value.annotate("margin 1", (1, 3.4), (1.15, 3.4), color=GREY, fontsize=9)
    value.legend()
    return figure


def triplet(anchor: Tensor, positive: Tensor, negative: Tensor, gradients: tuple[Tensor, Tensor, Tensor]) -> Figure:
    """Three points in the plane, and the step against its gradient that each of them wants to take (S35)."""
    figure = new(4.6, 3.6)
    axes = figure.subplots()
    shown = (("anchor", anchor, BLUE, "o"), ("positive", positive, GREEN, "s"), ("negative", negative, RED, "^"))
    for (name, point, colour, marker), gradient in zip(shown, gradients, strict=True):
        x, y = point.tolist()
        dx, dy = (-0.15 * gradient).tolist()
        axes.annotate("", (x + dx, y + dy), (x, y), arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8})
        axes.plot(x, y, marker=marker, color=colour, markersize=9, linestyle="none", label=name)
    for point in (positive, negative):
        axes.plot(*zip(anchor.tolist(), point.tolist(), strict=True), color=GREY, linewidth=0.8, linestyle=":")
    axes.set(aspect="equal", xlim=(0.35, 1.25), ylim=(-0.2, 1.15), title="a step of −0.15 ∂L")
    axes.legend(loc="upper right")
    return figure


def own_loss(error: Tensor, curves: dict[str, Tensor], slopes: dict[str, Tensor]) -> Figure:
    """A loss of one's own between squared and absolute error, and its slope (S36)."""
    figure = new(7, 3)
    for axes, title, lines in zip(figure.subplots(1, 2), ("loss", "slope"), (curves, slopes), strict=True):
        for name, values in lines.items():
            axes.plot(error, values, label=name)
        axes.set(title=title, xlabel="error y − t")
        axes.set_ylim((0, 3) if title == "loss" else (-2, 2))
    figure.axes[0].legend()
    return figure

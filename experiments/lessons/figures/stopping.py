"""How trainings end."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from experiments.lessons.algorithms import Training
from experiments.lessons.figures import style


def stopping(runs: Mapping[str, Training]) -> Figure:
    """The summed error after each epoch, a line a training, with the rule that ended it at its end."""
    figure = style.new(6.8, 3.8)
    axes = figure.subplots()
    for (name, run), marker in zip(runs.items(), "osD^v", strict=False):
        (line,) = axes.plot(range(1, run.epochs + 2), run.errors, label=f"{name}: {run.reason}, epoch {run.epochs}")
        axes.plot([run.epochs + 1], run.errors[-1:], marker, color=line.get_color(), markersize=8, clip_on=False)
    longest = max(run.epochs for run in runs.values())
    marks = [e for e in (0, 1, 3, 10, 30, 100, 300, 1000, 3000) if e <= longest]
    axes.set(xscale="log", yscale="log", xlabel="epoch", ylabel="E, summed over the examples")
    axes.set_xticks([e + 1 for e in marks], [str(e) for e in marks])
    axes.set_yticks([0.03, 0.1, 0.25, 0.5], [".03", ".1", ".25", ".5"])
    axes.minorticks_off()
    axes.legend(loc="lower left", fontsize=8.5)
    return figure

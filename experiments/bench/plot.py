"""The figures: ratios of functions and of models, and how cost grows."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator

from experiments.bench import calls, models
from experiments.bench.goals import LARGE, limit
from experiments.bench.growth import Growth
from experiments.bench.units import bytes_
from experiments.lessons.figures import style

_MARKERS = {"float32": ("o", style.BLUE), "bfloat16": ("s", style.RED), "float64": ("^", style.GREEN)}
_TICKS = (0.1, 0.2, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16)


def functions(measured: Sequence[calls.Measured]) -> Figure:
    """Every function on its largest input: time of manual over twin, with quartiles, and the goal as a bar."""
    largest: dict[tuple[str, str], calls.Measured] = {}
    for m in measured:
        if not m.call.label:
            largest[m.call.function, m.call.dtype] = m
    names = list(dict.fromkeys(name for name, _ in largest))
    dtypes = list(dict.fromkeys(dtype for _, dtype in largest))
    figure = style.new(6.4, 1.3 + 0.24 * len(names))
    axes = figure.subplots()
    for (name, dtype), m in largest.items():
        y = names.index(name) + (dtypes.index(dtype) - (len(dtypes) - 1) / 2) * 0.3
        marker, colour = _MARKERS[dtype]
        ratio = m.race.ratio()
        axes.plot([ratio.low, ratio.high], [y, y], color=colour, linestyle="-", linewidth=1.2)
        axes.plot([ratio.median], [y], marker, color=colour, markersize=5)
    if any(m.call.bytes >= LARGE for m in largest.values()):
        for y, name in enumerate(names):
            axes.plot([limit(name)] * 2, [y - 0.4, y + 0.4], color=style.GREY, linestyle="-", linewidth=1.5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    _ratios(axes)
    size = bytes_(max(m.call.bytes for m in largest.values()))
    axes.set_xlabel(f"time of forward and backward on {size}, manual / automatic")
    handles = [
        Line2D([], [], marker=m, color=c, linestyle="-", linewidth=1.2, markersize=5, label=dtype)
        for dtype, (m, c) in _MARKERS.items()
        if dtype in dtypes
    ]
    handles.append(Line2D([], [], color=style.GREY, linestyle="-", linewidth=1.5, label="goal"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=9)
    return figure


def _ratios(axes: Axes) -> None:
    """A logarithmic axis of ratios with a line at 1: half the time is as far from it as twice the time."""
    axes.set_xscale("log")
    axes.axvline(1, color=style.BLACK, linestyle="-", linewidth=0.8)
    low, high = axes.get_xlim()
    low, high = min(low, 0.72), max(high, 1.55)
    axes.set_xlim(low, high)
    ticks = [t for t in _TICKS if low <= t <= high]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks], fontsize=9)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def steps(measured: Sequence[models.Measured]) -> Figure:
    """Time and memory of a training step of each model, manual over twin."""
    figure = style.new(6.4, 1.3 + 0.7 * len(measured))
    axes = figure.subplots()
    kinds = {"time": (style.BLUE, None), "live tensors": (style.ORANGE, "//"), "process": (style.SKY, "..")}
    for y, m in enumerate(measured):
        ratio = m.race.ratio()
        grown = m.manual.resident, m.twin.resident
        process = grown[0] / grown[1] if grown[0] is not None and grown[1] else None
        values = {"time": ratio.median, "live tensors": m.memory_ratio, "process": process}
        for i, (kind, value) in enumerate(values.items()):
            if value is None:
                continue
            colour, hatch = kinds[kind]
            at = y + (i - 1) * 0.26
            axes.barh(at, value, 0.24, color=colour, hatch=hatch, edgecolor="white", label=kind if y == 0 else None)
            end = max(value, ratio.high) if kind == "time" else value
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            text = axes.annotate(f"{value:.2f}", (end, at), (4, 0), textcoords="offset points", va="center", bbox=box)
            text.set_fontsize(8)
        axes.plot([ratio.low, ratio.high], [y - 0.26] * 2, color=style.BLACK, linestyle="-", linewidth=1.2)
    axes.axvline(1, color=style.BLACK, linestyle="-", linewidth=0.8)
    axes.set_yticks(range(len(measured)), [f"{m.config.model}\n{m.precision}" for m in measured])
    axes.set_ylim(len(measured) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("one training step, manual / automatic")
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


def growth(measured: Sequence[Growth]) -> Figure:
    """Seconds and bytes of a step against a setting, both axes logarithmic; dotted: in proportion."""
    figure = style.new(7.0, 1.2 + 1.9 * len(measured))
    rows = figure.subplots(len(measured), 2, squeeze=False)
    for g, (time, memory) in zip(measured, rows, strict=True):
        _line(time, g, {side: [1e3 * s for s in g.seconds(side)] for side in ("manual", "twin")}, "ms")
        _line(memory, g, {side: [n / 2**20 for n in g.live(side)] for side in ("manual", "twin")}, "MiB")
    rows[0][0].set_title("time of a step")
    rows[0][1].set_title("live tensors at its height")
    handles, labels = rows[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9)
    return figure


def _line(axes: Axes, g: Growth, sides: dict[str, list[float]], unit: str) -> None:
    line = [sides["manual"][0] * v / g.values[0] for v in g.values]
    axes.plot(g.values, line, color=style.GREY, linestyle=":", label="in proportion")
    for side, marker, colour, dash in (("manual", "o", style.BLUE, "-"), ("twin", "s", style.RED, "--")):
        axes.plot(g.values, sides[side], marker, color=colour, linestyle=dash, markersize=5, label=side)
    axes.set(xscale="log", yscale="log", ylabel=unit)
    axes.set_xlabel(f"{g.model}: {g.axis.replace('_', ' ')}")
    axes.set_xticks(g.values, [str(v) for v in g.values])
    low, high = axes.get_ylim()
    ticks = [t for e in range(-3, 7) for m in (1, 2, 3, 5) if low <= (t := m * 10.0**e) <= high]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_ylim(low, high)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())

"""One style for all figures: eight colours that colour-blind eyes tell apart, lines that differ in print as well."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008), the darker ones first.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
COLOURS = [BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK]
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]
GREY = "#595959"

_STYLE: Any = {
    "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "figure.facecolor": "white",
    "font.size": 10.0,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    # The same figure is the same file: names inside an SVG are not drawn at random, and letters are outlines, so that
    # it looks alike where the font is missing.
    "svg.hashsalt": "manualnet",
    "svg.fonttype": "path",
}


@contextmanager
def styled() -> Iterator[None]:
    """The style inside the context; what was set outside comes back."""
    with matplotlib.rc_context(_STYLE):
        yield


def new(width: float = 6.4, height: float = 3.6) -> Figure:
    """An empty figure of that many inches, which no window shows and nobody has to close."""
    return Figure(figsize=(width, height), layout="constrained")

"""Figures as files and as text: SVG, the same text for the same figure."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from experiments.lessons.figures.style import styled
from experiments.lessons.work import Drawing


def drawn(drawing: Drawing) -> Figure:
    """The figure of a row, in the shared style."""
    with styled():
        return drawing.draw()


def svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element."""
    stream = io.StringIO()
    with styled():
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def save(figure: Figure, path: Path) -> None:
    """Write the figure as an SVG file, into a folder that is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('<?xml version="1.0" encoding="utf-8"?>\n' + svg(figure), encoding="utf-8")

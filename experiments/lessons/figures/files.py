"""Figures as files and as text: SVG for pages, PNG for those who look at pixels."""

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
    """The figure as an ``<svg>`` element, the same text for the same figure."""
    stream = io.StringIO()
    with styled():
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def save(drawing: Drawing, folder: Path) -> Path:
    """Draw into ``folder`` as SVG; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{drawing.name}.svg"
    path.write_text('<?xml version="1.0" encoding="utf-8"?>\n' + svg(drawn(drawing)), encoding="utf-8")
    return path

"""What a row worked out, shown in a notebook."""

from IPython.display import SVG, display
from rich.console import Console

from experiments.lessons.figures.files import drawn, svg
from experiments.lessons.show.terminal import worked
from experiments.lessons.work import Drawing, Question, Work


def show(work: Work) -> None:
    """Tables of numbers, then figures, then questions."""
    console = Console()
    for block in worked(work):
        console.print(block)
    for drawing in work.of(Drawing):
        display(SVG(svg(drawn(drawing))))
        print(drawing.caption)
    for question in work.of(Question):
        print(f"Question: {question.text}")

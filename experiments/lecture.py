"""Work through the lecture row by row: ``python -m experiments.lecture --help``."""

import dataclasses
import sys
from pathlib import Path

import tyro
from rich.console import Console

from experiments.lessons import contents
from experiments.lessons.figures import files
from experiments.lessons.row import Row
from experiments.lessons.show import terminal
from experiments.lessons.work import Drawing
from experiments.training.errors import UsageError


@dataclasses.dataclass
class Options:
    """Work through the lecture: every example computed beside the lecture's number, every figure drawn.

    Without options it lists the parts. Ends with 1 if a number does not come out, with 2 for a mistake in the call.
    """

    part: str | None = None
    """The rows of one part, such as backpropagation."""
    row: str | None = None
    """One row, such as S24."""
    all: bool = False
    """All rows."""
    quiz: bool = False
    """Ask for the numbers first, and say what went wrong."""
    data_dir: Path | None = None
    """A folder with CIFAR-10; without it rows that need pictures take the embedded ones, and say so."""
    figures: bool = True
    """Write the rows' figures, as SVG and for TensorBoard."""
    html: bool = False
    """Write the page, one file: index.html in the output folder."""
    notebooks: Path | None = None
    """Write a notebook for each part into this folder."""
    exercise: Path | None = None
    """Write exercises into this folder: ten operations whose backward is left out."""
    grade: Path | None = None
    """Prove the answers in this folder."""
    output: Path = Path("runs", "lecture")
    """Where figures and the page are written."""


def chosen(options: Options) -> list[Row]:
    """The rows that the options name, in the lecture's order."""
    if options.row is not None:
        try:
            return [contents.find(options.row)]
        except KeyError:
            last = contents.ROWS[-1].name
            raise UsageError(f"--row {options.row}: there is no such row; they are S1 to {last}") from None
    if options.part is not None:
        for part in contents.PARTS:
            if part.name == options.part:
                return part.rows
        names = ", ".join(part.name for part in contents.PARTS)
        raise UsageError(f"--part {options.part}: there is no such part; they are {names}")
    return contents.ROWS if options.all or options.quiz or options.html else []


def show(rows: list[Row], options: Options, console: Console) -> int:
    """Work out and print each row; returns how many do not come out."""
    failed = 0
    for row in rows:
        work = row.run(options.data_dir)
        drawings = work.of(Drawing) if options.figures else []
        terminal.row(console, row, work, [files.save(d, options.output / "figures") for d in drawings])
        failed += not work.holds
    return failed


def run(options: Options, console: Console) -> int:
    rows = chosen(options)
    if not rows:
        terminal.contents(console)
        return 0
    return 1 if show(rows, options, console) else 0


def main(arguments: list[str] | None = None) -> None:
    options = tyro.cli(Options, args=arguments, prog="python -m experiments.lecture")
    try:
        sys.exit(run(options, Console()))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

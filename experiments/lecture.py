"""Work through the lecture row by row: ``python -m experiments.lecture --help``."""

import dataclasses
import sys
import time
from pathlib import Path

import torch
import tyro
from rich.console import Console

from experiments.lessons import contents, exercises
from experiments.lessons.figures import files
from experiments.lessons.row import Row
from experiments.lessons.show import document, notebooks, quiz, terminal
from experiments.lessons.show.board import Board
from experiments.lessons.work import Drawing, Question, Work
from experiments.training.errors import UsageError, reported


@dataclasses.dataclass
class Options:
    """Work through the lecture: every example computed beside the lecture's number, every figure drawn.

    Without options it lists the parts. Ends with 1 if a number does not come out or an answer fails, with 2 for a
    mistake in the call.
    """

    part: str | None = None
    """The rows of one part, such as backpropagation."""
    row: str | None = None
    """One row, such as S24."""
    all: bool = False
    """All rows."""
    quiz: bool = False
    """Ask for the numbers first, and say what went wrong. An empty line gives up."""
    html: bool = False
    """Write the page, a single file, instead: index.html in the output folder."""
    figures: bool = True
    """Write the rows' figures, as SVG files and for TensorBoard."""
    data_dir: Path | None = None
    """A folder with CIFAR-10; without it rows that need pictures take the embedded ones, and say so."""
    output: Path = Path("runs", "lecture")
    """Where figures and the page are written."""
    notebooks: Path | None = None
    """Write a notebook for each part into this folder."""
    markdown: Path | None = None
    """Write the rows as one Markdown file."""
    exercise: Path | None = None
    """Write exercises into this folder: ten operations whose backward is left out."""
    grade: Path | None = None
    """Prove the answers in this folder."""


def chosen(options: Options) -> list[Row]:
    """The rows that the options name, in the lecture's order; without a name all for what is made of all."""
    if (options.part is not None) + (options.row is not None) + options.all > 1:
        raise UsageError("--part, --row and --all name rows in three ways: give one of them")
    if options.markdown and (options.row or options.part):
        raise UsageError("--markdown writes all rows: leave out --row and --part")
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
    whole = options.all or options.quiz or options.html or options.markdown
    return contents.ROWS if whole else []


def show(rows: list[Row], options: Options, console: Console) -> bool:
    """Work out, print and draw each row; returns whether all hold."""
    start = time.perf_counter()
    board = Board(options.output)
    works = []
    for row in rows:
        work = row.run(options.data_dir)
        terminal.row(console, row, work, _drawn(work, options.output, board) if options.figures else [])
        works.append(work)
    board.close()
    terminal.closing(console, works, time.perf_counter() - start)
    return all(work.holds for work in works)


def _drawn(work: Work, folder: Path, board: Board) -> list[Path]:
    paths = []
    for drawing in work.of(Drawing):
        figure = files.drawn(drawing)
        paths.append(folder / "figures" / f"{drawing.name}.svg")
        files.save(figure, paths[-1])
        board.add(drawing, figure)
    return paths


def ask(rows: list[Row], options: Options, console: Console) -> None:
    """Put the rows' questions, until the input ends."""
    asked = right = 0
    try:
        for row in rows:
            questions = row.run(options.data_dir).of(Question)
            asked += len(questions)
            right += quiz.ask(row, questions, input, lambda line: console.print(line, markup=False, highlight=False))
    except EOFError:
        console.print()
    console.print(f"\n{right} of {asked} right" if asked else "There is no question here; --quiz --all asks every one.")


def run(options: Options, console: Console) -> int:
    if options.exercise is not None:
        return exercises.print_exercises(options.exercise)
    if options.grade is not None:
        return exercises.print_grades(options.grade)
    if options.notebooks is not None:
        print(*notebooks.write(options.notebooks), sep="\n")
        return 0
    rows = chosen(options)
    if options.quiz:
        ask(rows, options, console)
        return 0
    if options.html or options.markdown:
        works = {row.name: row.run(options.data_dir) for row in rows}
        if options.markdown:
            options.markdown.write_text(document.markdown(works), encoding="utf-8")
            print(options.markdown)
        if options.html:
            from experiments.lessons.show import page

            print(page.write(rows, works, options.output / "index.html"))
        return 0 if all(work.holds for work in works.values()) else 1
    if not rows:
        terminal.contents(console)
        return 0
    return 0 if show(rows, options, console) else 1


def main(arguments: list[str] | None = None) -> None:
    options = tyro.cli(Options, args=arguments, prog="python -m experiments.lecture")
    torch.set_num_threads(1)  # the rows' tensors are small: handing them to a second thread takes longer than the work
    with reported():
        try:
            sys.exit(run(options, Console()))
        except OSError as error:
            where = error.filename or options.output
            raise UsageError(f"{where}: {error.strerror or error}; write to another place, or make room") from error


if __name__ == "__main__":
    main()

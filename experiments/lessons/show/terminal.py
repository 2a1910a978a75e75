"""Rows in the terminal: text, steps, expected beside computed numbers, claims, slips, and where the code is."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from experiments.lessons.code import place
from experiments.lessons.contents import PARTS, part_of
from experiments.lessons.row import Row
from experiments.lessons.show.mathematics import BLOCK, INLINE, plain
from experiments.lessons.show.values import written
from experiments.lessons.work import Claim, Number, Slip, Step, Work


def contents(console: Console) -> None:
    """The parts and their rows."""
    table = Table("part", "rows", "title", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for part in PARTS:
        rows = part.rows
        table.add_row(part.name, f"{rows[0].name}–{rows[-1].name}", f"{part.chapter}: {part.title}")
    console.print(table)
    console.print("\n--part NAME, --row S24, --all; --quiz asks first; --html writes the page; --help tells the rest")


def row(console: Console, row: Row, work: Work, figures: list[Path]) -> None:
    """One row, wholly."""
    part = part_of(row)
    console.rule(f"[bold]{row.name}[/] {row.title} [dim]· {part.title}[/]", align="left", style="dim")
    console.print(Markdown(text(row.text)))
    console.print()
    for block in worked(work):
        console.print(Padding(block, (0, 0, 1, 2)))
    listed(console, "code", [str(place(code)) for code in row.code])
    listed(console, "figure", [str(path) for path in figures])
    console.print()


def text(markdown: str) -> str:
    """Markdown with its formulas as text, blocks in paragraphs of their own."""
    blocks = BLOCK.sub(lambda m: "\n\n".join(f"> {plain(line)}" for line in _lines(m[1])), markdown)
    return INLINE.sub(lambda m: plain(m[1]), blocks)


def _lines(latex: str) -> list[str]:
    return [line for part in latex.split(r"\qquad") if (line := part.strip(" ,\n"))]


def worked(work: Work) -> list[RenderableType]:
    """What a row worked out, entries of one kind that follow each other in one table."""
    blocks: list[RenderableType] = []
    entries = [e for e in work.entries if isinstance(e, Step | Number | Claim | Slip)]
    for kind in (Step, Number, Claim, Slip):
        chosen = [e for e in entries if isinstance(e, kind)]
        if chosen:
            blocks.append(_BLOCKS[kind](chosen))
    return blocks


def _steps(steps: list[Step]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for step in steps:
        table.add_row(step.name, written(step.value), Text(step.how, style="dim"))
    return table


def _numbers(numbers: list[Number]) -> Table:
    table = Table("", "expected", "computed", "", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number in numbers:
        expected, computed = (written(v, number.digits) for v in (number.expected, number.computed))
        table.add_row(number.name, expected, computed, _mark(number.holds))
    return table


def _claims(claims: list[Claim]) -> Group:
    lines = []
    for claim in claims:
        line = _mark(claim.holds) + Text(f" {claim.sentence}")
        if claim.seen:
            line.append(f": {claim.seen}", style="dim")
        lines.append(line)
    return Group(*lines)


def _slips(slips: list[Slip]) -> Table:
    table = Table("⚠", "as on the slide", "right", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for slip in slips:
        table.add_row(slip.sentence, written(slip.slide), written(slip.right))
    return table


def closing(console: Console, works: list[Work], seconds: float) -> None:
    """What came out, in a line."""
    entries = [entry for work in works for entry in work.of(Number) + work.of(Claim)]
    wrong = sum(not entry.holds for entry in entries)
    verdict = f"{wrong} do not hold" if wrong else "all hold"
    rows = f"{len(works)} row{'s' * (len(works) != 1)}"
    console.print(f"{rows}, {len(entries)} numbers and claims: {verdict} ({seconds:.0f} s)", highlight=False)


_BLOCKS: dict[type, Callable[[list], RenderableType]] = {Step: _steps, Number: _numbers, Claim: _claims, Slip: _slips}


def _mark(holds: bool) -> Text:
    return Text("✓", style="green") if holds else Text("✗ does not hold", style="bold red")


def listed(console: Console, label: str, lines: list[str]) -> None:
    for i, line in enumerate(lines):
        console.print(Text(f"  {label if i == 0 else '':7}{line}", style="dim"), soft_wrap=True)

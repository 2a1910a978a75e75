"""Reports of many functions as one matrix, function × property, for a terminal."""

from collections.abc import Iterator, Sequence
from string import ascii_letters

from manualnet.check.report import Report, Result
from manualnet.check.screen import MARKS, Screen
from manualnet.check.table import render_failures, summary


def render_matrix(reports: Sequence[Report], screen: Screen, seconds: float) -> str:
    """The matrix with its legend, what failed, why some properties do not apply, and one line that counts."""
    properties = _properties(reports)
    parts = [
        grid(reports, screen),
        *(render_failures(r, screen, f"{r.name}: ") for r in reports if r.failures),
        _reasons(reports, properties, screen),
        *_notes(reports, screen),
        screen.fill(f"{len(reports)} functions, {len(properties)} properties: {summary(reports, seconds)}"),
    ]
    return screen.written("\n\n".join(p for p in parts if p))


def grid(reports: Sequence[Report], screen: Screen) -> str:
    """The matrix and its legend alone."""
    properties = _properties(reports)
    return "\n\n".join([*_blocks(reports, properties, screen), _legend(properties, screen)])


def _properties(reports: Sequence[Report]) -> list[str]:
    return list({r.property: None for report in reports for r in report})


def _key(i: int) -> str:
    return ascii_letters[i % len(ascii_letters)]


def _blocks(reports: Sequence[Report], properties: list[str], screen: Screen) -> Iterator[str]:
    """The matrix in as many blocks of columns as the width asks for."""
    names = min(max(len(r.name) for r in reports), max(12, screen.width - 24))
    fit = max(1, (screen.width - names) // 2)
    blocks = -(-len(properties) // fit)
    fit = -(-len(properties) // blocks)  # all of about the same width
    for start in range(0, len(properties), fit):
        columns = range(start, min(start + fit, len(properties)))
        lines = [screen.paint(" " * names + "".join(f" {_key(i)}" for i in columns), "1")]
        for report in reports:
            found = {r.property: r for r in report}
            cells = (" " + _cell(found.get(properties[i]), screen) for i in columns)
            lines.append(f"{report.name[:names]:{names}}" + "".join(cells))
        yield "\n".join(line.rstrip() for line in lines)


def _cell(result: Result | None, screen: Screen) -> str:
    return screen.mark(result.status) if result else " "


def _legend(properties: list[str], screen: Screen) -> str:
    """Which letter is which property, down columns as many as fit."""
    items = [f"{_key(i)} {name}" for i, name in enumerate(properties)]
    wide = max(map(len, items)) + 3
    count = max(1, (screen.width + 3) // wide)
    rows = -(-len(items) // count)
    lines = ["".join(f"{item:{wide}}" for item in items[row::rows]).rstrip() for row in range(rows)]
    return "\n".join([*lines, "   ".join(f"{screen.mark(status)} {status}" for status in MARKS)])


def _reasons(reports: Sequence[Report], properties: list[str], screen: Screen) -> str:
    """Why properties do not apply, each reason once with the functions that it speaks of."""
    functions: dict[str, dict[str, list[str]]] = {name: {} for name in properties}
    for report in reports:
        for r in report:
            if r.status == "does not apply":
                functions[r.property].setdefault(r.why, []).append(report.name)
    lines = []
    for i, name in enumerate(properties):
        if functions[name]:
            lines.append(screen.paint(f"{_key(i)} {name} does not apply", "1"))
        for why, who in functions[name].items():
            names = "all functions" if len(who) == len(reports) > 1 else ", ".join(who)
            lines += [screen.fill(why, "  ", "  "), screen.fill(names, "    ", "    ")]
    return "\n".join(lines)


def _notes(reports: Sequence[Report], screen: Screen) -> Iterator[str]:
    functions: dict[str, list[str]] = {}
    for report in reports:
        for note in report.notes:
            functions.setdefault(note, []).append(report.name)
    if functions:
        yield "\n".join(screen.fill(f"{note}: {', '.join(who)}", "note: ", "      ") for note, who in functions.items())

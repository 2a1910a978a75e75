"""The lecture as one page of HTML that needs nothing beside itself: no script, no network, no other file."""

import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from experiments.lessons.code import ROOT, Place, place, rules
from experiments.lessons.contents import PARTS, ROWS
from experiments.lessons.figures.files import drawn, svg
from experiments.lessons.row import Row
from experiments.lessons.show import listing
from experiments.lessons.show.prose import Prose
from experiments.lessons.show.values import written
from experiments.lessons.work import Claim, Drawing, Number, Question, Slip, Step, Work

_LINKED = re.compile(r"\]\(\.\./([\w/.]+\.py)\)")


def write(rows: list[Row], works: Mapping[str, Work], path: Path) -> Path:
    """Write the page of these rows, from what each has worked out, into a folder that is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html(rows, works), encoding="utf-8")
    return path


def html(rows: list[Row], works: Mapping[str, Work]) -> str:
    """The page of these rows; the same source gives the same bytes, apart from times that a row measures."""
    files = _files(rows)
    anchors = {f"#{row.name.lower()}" for row in rows}

    def link(address: str) -> str | None:
        if address.startswith("../"):
            file = address.removeprefix("../")
            return f"#{listing.anchor(file)}" if file in files else None
        return None if address.startswith("#") and address not in anchors else address

    prose = Prose(link)
    environment = Environment(
        loader=PackageLoader("experiments.lessons.show", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": prose.line, "markdown": prose.text, "source": listing.highlighted, "value": value}
    environment.tests["short"] = lambda text: max(map(len, text.splitlines())) <= 36
    checked = [entry for row in rows for entry in works[row.name].of(Number) + works[row.name].of(Claim)]
    return environment.get_template("page.html.jinja").render(
        css=Markup(_read("page.css")),
        chapters=_chapters(rows),
        shown=len(rows),
        all=len(ROWS),
        works=works,
        kinds={kind.__name__: kind for kind in (Step, Number, Claim, Slip, Question, Drawing)},
        hidden=lambda work: len(work.of(Question)) > len(work.of(Number)),
        figure=figure,
        sequences=_sequences,
        places=lambda row: [place(code) for code in row.code],
        rules=lambda row: {rule: listing.rule(rule) for code in row.code for rule in rules(code)},
        files=files,
        listing=listing,
        checked=len(checked),
        wrong=sum(not entry.holds for entry in checked),
    )


def figure(drawing: Drawing) -> Markup:
    """The figure as an element whose ids are its own, however many figures the page has."""
    text = svg(drawn(drawing))
    # Rules and data that would hold for, or say nothing on, the whole page.
    text = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", text, flags=re.DOTALL
    )
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{drawing.name}-", text)
    opening, rest = text.split(">", 1)
    width = re.search(r' width="([\d.]+)pt"', opening)
    opening = re.sub(r' (?:width|height)="[\d.]+pt"', "", opening)
    size = f' style="max-width: {width[1]}pt"' if width else ""
    return Markup(f'{opening} role="img" aria-labelledby="{drawing.name}-caption"{size}>{rest}')


def value(number: object, digits: int = 6) -> str:
    """A value as it is written elsewhere, a matrix with a line a row.

    >>> print(value([[1, 2], [3, 4]]))
    [[1, 2],
     [3, 4]]
    """
    return written(number, digits).replace("], [", "],\n [")


def _chapters(rows: list[Row]) -> list[tuple[str, list[tuple[str, str, list[Row]]]]]:
    """Chapters of parts of rows: the parts' names and titles, and those of their rows that the page shows."""
    shown = [(part.chapter, part.name, part.title, [row for row in part.rows if row in rows]) for part in PARTS]
    chapters = groupby((part for part in shown if part[3]), key=lambda part: part[0])
    return [(name, [part[1:] for part in parts]) for name, parts in chapters]


def _files(rows: list[Row]) -> dict[str, dict[Row, list[Place]]]:
    """The files that the rows are about or link to, and what each row wants of them."""
    files: dict[str, dict[Row, list[Place]]] = {}
    for row in rows:
        for found in map(place, row.code):
            files.setdefault(found.file, {}).setdefault(row, []).append(found)
        for file in _LINKED.findall(row.text):
            if (ROOT / file).is_file():
                files.setdefault(file, {}).setdefault(row, [])
    return dict(sorted(files.items()))


def _sequences(drawings: list[Drawing]) -> list[list[Drawing]]:
    """Figures one by one, but together those that differ in the number at the end: frames of one sequence."""
    stems = groupby(drawings, key=lambda drawing: re.sub(r"-\d+$", "-", drawing.name))
    return [list(frames) for _, frames in stems]


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")

"""``docs/lecture.md``: every row with its formula, what its test asserts, and where its code is."""

from collections.abc import Mapping
from itertools import groupby

from jinja2 import Environment, PackageLoader

from experiments.lessons.code import place
from experiments.lessons.contents import PARTS
from experiments.lessons.row import Row
from experiments.lessons.show.values import written
from experiments.lessons.work import Claim, Number, Slip, Work


def markdown(works: Mapping[str, Work]) -> str:
    """The document, from what each row has worked out; what is measured anew each time is left out."""
    environment = Environment(
        loader=PackageLoader("experiments.lessons.show", "."),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    chapters = [(name, list(parts)) for name, parts in groupby(PARTS, key=lambda part: part.chapter)]
    template = environment.get_template("document.md.jinja")
    return template.render(chapters=chapters, links=_links, asserted=lambda row: _asserted(works[row.name]))


def _links(row: Row) -> str:
    places = [place(code) for code in row.code]
    return " · ".join(f"[`{p.name.rpartition('/')[2]}`](../{p.file})" for p in places)


def _asserted(work: Work) -> list[str]:
    lines = []
    for entry in work.entries:
        if isinstance(entry, Number):
            lines.append(f"{entry.name}: {written(entry.expected, entry.digits)}")
        elif isinstance(entry, Claim):
            lines.append(entry.sentence)
        elif isinstance(entry, Slip):
            lines.append(f"⚠ {entry.sentence}: {written(entry.slide)} on the slide, {written(entry.right)} is right")
    return lines

"""The documents: every row of the lecture has its entry, every link leads somewhere, every example runs."""

import ast
import doctest
import re
import sys
from pathlib import Path

import pytest

import manualnet
from manualnet import functional
from manualnet.specs import SPECS

ROOT = Path(__file__).parents[1]
LECTURE = ROOT / "docs" / "lecture.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ROWS = [f"S{n}" for n in range(1, 62)]

ENTRY = re.compile(r'^<a id="(s\d+)"></a>\*\*(S\d+) · ', re.MULTILINE)
LINK = re.compile(r'\]\(\s*<?([^)\s>]+)|(?:href|src)="([^"]+)"')
ANCHOR = re.compile(r'<[^>]+\bid="([^"]+)"')
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^```(?:python|pycon)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def _links(text: str) -> list[str]:
    return [a or b for a, b in LINK.findall(FENCE.sub("", text))]


def _anchors(page: Path) -> set[str]:
    """Those that are written, and those that GitHub makes of headings."""
    text = _prose(page)
    titles = [re.sub(r"<[^>]+>|\]\([^)]*\)", "", title).lower() for title in HEADING.findall(text)]
    return {*ANCHOR.findall(text), *(re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles)}


def _entries() -> dict[str, str]:
    """The rows' numbers and texts, each to the next row or heading."""
    text = LECTURE.read_text(encoding="utf-8")
    starts = [m.start() for m in ENTRY.finditer(text)]
    parts = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    return {ENTRY.match(part)[2]: re.split(r"^#+ ", part, flags=re.MULTILINE)[0] for part in parts}


def _docstrings(*packages: str) -> list[tuple[str, str]]:
    found = []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in sorted(p for package in packages for p in (ROOT / package).rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        docs = [ast.get_docstring(node) for node in nodes if isinstance(node, documented)]
        found += [(_name(path), doc) for doc in docs if doc]
    return found


def test_every_row_has_one_entry_in_order_with_its_anchor():
    matches = ENTRY.findall(LECTURE.read_text(encoding="utf-8"))
    assert [row for _, row in matches] == ROWS
    assert [anchor for anchor, _ in matches] == [row.lower() for row in ROWS]


def test_docstrings_mention_rows_that_exist():
    mentioned = {
        (path, row) for path, doc in _docstrings("manualnet", "experiments") for row in re.findall(r"\bS\d+\b", doc)
    }
    assert mentioned
    assert [m for m in sorted(mentioned) if m[1] not in ROWS] == []


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_rows_of_a_spec_lead_to_its_file(spec):
    entries = _entries()
    assert set(spec.rows) <= set(entries)
    if spec.name in functional.__all__:
        file = Path(sys.modules[spec.function.__module__].__file__).resolve()
        for row in spec.rows:
            targets = {(LECTURE.parent / link).resolve() for link in _links(entries[row])}
            assert file in targets, f"{row} does not link to {_name(file)}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page):
    for link in _links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{_name(page)}: {link} points to no file"
        assert target.is_relative_to(ROOT), f"{_name(page)}: {link} leaves the repository"
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target), f"{_name(page)}: {link} points to no heading or anchor"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_examples_run(page):
    """Each fenced block with >>> by itself, as somebody would paste it."""
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for i, block in enumerate(EXAMPLE.findall(page.read_text(encoding="utf-8"))):
        test = doctest.DocTestParser().get_doctest(block, {}, f"{_name(page)}[{i}]", str(page), 0)
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_citation_and_changelog_know_the_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", citation, re.MULTILINE)[1] == manualnet.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{manualnet.__version__}]" in changelog


def test_papers_that_docstrings_name_are_cited():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    papers = {
        (path, paper.rstrip("."))
        for path, doc in _docstrings("manualnet", "experiments")
        for paper in re.findall(
            r"\b(?:arXiv[: ]?|doi:)(\d{4}\.\d{4,5}|10\.\S+?)(?=[\s,;)]|\.?\s|$)", doc, re.IGNORECASE
        )
    }
    assert papers
    assert [p for p in sorted(papers) if p[1] not in citation] == []

"""docs/lecture.md says what the rows say, and what their tests assert."""

from pathlib import Path

from experiments.lessons.contents import ROWS
from experiments.lessons.show import document

LECTURE = Path(__file__).parents[3] / "docs" / "lecture.md"


def test_the_document_is_what_the_rows_give(work_of):
    made = document.markdown({row.name: work_of(row.name) for row in ROWS})
    kept = LECTURE.read_text(encoding="utf-8")
    assert made == kept, "run python -m experiments.lecture --markdown docs/lecture.md"


def test_it_knows_nothing_undone():
    assert "not in the code yet" not in LECTURE.read_text(encoding="utf-8")

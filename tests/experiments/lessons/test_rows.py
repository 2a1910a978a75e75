"""Every row of the lecture is there, in order, and its numbers come out."""

import pytest

from experiments.lessons.contents import PARTS, ROWS, find, part_of
from experiments.lessons.work import Claim, Drawing, Number


def test_the_rows_are_the_lectures():
    assert [row.number for row in ROWS] == list(range(1, 62))
    assert [part.chapter for part in PARTS] == ["Definition"] * 3 + ["Goals"] * 4 + ["Training"] * 4
    for row in ROWS:
        assert find(row.name) is row
        assert row in part_of(row).rows
        assert row.text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_its_numbers_and_claims_hold(row, work_of):
    work = work_of(row.name)
    assert work.of(Number) + work.of(Claim), "a row without a number or a claim shows nothing"
    assert work.failures == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_its_figures_are_drawn(row, work_of):
    for drawing in work_of(row.name).of(Drawing):
        assert drawing.name.startswith(row.name)
        assert drawing.caption
        figure = drawing.draw()
        assert figure.axes or figure.texts

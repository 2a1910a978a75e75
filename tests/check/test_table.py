"""Reports in terminals: wide and narrow, with and without colours, in every encoding."""

import io
import re

import pytest

from manualnet.check.command.matrix import render_matrix
from manualnet.check.properties import PROPERTIES
from manualnet.check.report import Report, Result
from manualnet.check.screen import Screen
from manualnet.check.table import render_report, summary

WRONG = "the gradient of input 0 at [0, 1] is 1, not 2; it is 0.5, that is 1/2 times the right one."
RESULTS = (
    Result("value", "passed", 1e-16, 1e-12, seconds=0.25),
    Result("gradient", "failed", 1.0, 2e-12, "the gradient of input 0 at [0, 1]", WRONG, "Derive it anew."),
    Result("numeric gradient", "failed", 1.0, 2e-7, "of sample 'a'", WRONG, "Derive it anew."),
    Result("second derivative", "does not apply", why="its backward is declared once_differentiable", seconds=1),
)
REPORT = Report("swish", RESULTS, ("inputs came in float32; derivatives are checked on float64 copies of them",))
WIDTHS = [40, 60, 80, 120]


def plain(text):
    return re.sub(r"\x1b\[\d*m", "", text)


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_fit_the_width(width):
    many = [Report(f"a_function_with_a_rather_long_name_{i}", RESULTS) for i in range(3)]
    for text in (render_report(REPORT, Screen(width)), render_matrix(many, Screen(width), 1.0)):
        assert [line for line in text.splitlines() if len(line) > width] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_says_everything_at_every_width(width):
    text = words(render_report(REPORT, Screen(width)))
    for said in (
        "✓ value 1.0e-16 1.0e-12",
        "✗ gradient 1.0e+00 2.0e-12",
        "– second derivative",
        "its backward is declared once_differentiable",
        PROPERTIES["value"].claim,
        f"wrong {WRONG}",
        "mend Derive it anew.",
        "where of sample 'a'",
        "note: inputs came in float32",
        "swish: 1 passed, 2 failed, 1 does not apply; 1.2 s",
    ):
        assert said in text, said


def test_failures_of_one_cause_are_told_once():
    text = render_report(REPORT, Screen(120))
    assert text.count("1/2 times") == 1
    assert "✗ gradient, numeric gradient" in text
    with pytest.raises(AssertionError, match="swish fails 2 of 4 properties") as error:
        REPORT.raise_for_failures()
    assert str(error.value).count("1/2 times") == 1
    assert "gradient, numeric gradient" in str(error.value)


def test_what_the_encoding_cannot_write_is_replaced():
    for screen in (Screen(80, encoding="ascii"), Screen(80, encoding="cp1252")):
        for text in (render_report(REPORT, screen), render_matrix([REPORT, REPORT], screen, 0.0)):
            assert text.encode(screen.encoding)
    assert "+ value" in render_report(REPORT, Screen(80, encoding="ascii"))
    assert "X gradient" in render_report(REPORT, Screen(80, encoding="ascii"))


def test_colours_are_for_terminals_without_no_color(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Screen.of(Terminal()).colour
    assert not Screen.of(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Screen.of(Terminal()).colour
    coloured = render_report(REPORT, Screen(80, colour=True))
    assert "\x1b[31m✗" in coloured
    assert plain(coloured) == render_report(REPORT, Screen(80))


def test_print_follows_the_terminals_width(monkeypatch):
    for columns in (60, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert str(REPORT) == render_report(REPORT, Screen(columns))


def test_the_matrix_has_a_row_a_function_and_a_column_a_property():
    broken = Report("broken", (Result("value", "failed", wrong="the call itself raises", mend="Mend it."),))
    text = render_matrix([REPORT, broken], Screen(80), 2.0)
    lines = text.splitlines()
    assert lines[:3] == ["       a b c d", "swish  ✓ ✗ ✗ –", "broken ✗"]
    assert re.search(r"a value +c numeric gradient", text)
    assert "✓ passed   ✗ failed   – does not apply" in text
    assert "✗ swish: gradient, numeric gradient" in text
    assert "✗ broken: value" in text
    assert words("d second derivative does not apply its backward is declared once_differentiable swish") in words(text)
    assert lines[-1] == "2 functions, 4 properties: 1 passed, 3 failed, 1 does not apply; 2.0 s"


def test_a_matrix_too_wide_is_split_into_blocks():
    results = tuple(Result(f"property {i}", "passed") for i in range(30))
    text = render_matrix([Report("f", results), Report("g", results)], Screen(40), 0.0)
    assert [line.count("✓") for line in text.splitlines() if line.startswith("f ✓")] == [15, 15]
    for key in "abcdefghijklmnopqrstuvwxyzABCD":
        assert re.search(rf"(^|  ){key} property \d+", text, re.MULTILINE), key


def test_reasons_are_grouped():
    other = Result("second derivative", "does not apply", why="another reason")
    reports = [REPORT, Report("silu", RESULTS), Report("third", (other,))]
    text = render_matrix(reports, Screen(80), 0.0)
    assert text.count("declared once_differentiable") == 1
    assert "\n    swish, silu\n" in text
    assert "\n  another reason\n    third\n" in text


def test_summary_counts():
    assert summary([REPORT, REPORT]) == "2 passed, 4 failed, 2 do not apply; 2.5 s"
    assert summary([REPORT], 3.14159) == "1 passed, 2 failed, 1 does not apply; 3.1 s"

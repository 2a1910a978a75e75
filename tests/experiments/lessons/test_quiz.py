"""The quiz says what a wrong number comes from, and gives the answer away only when it is given up."""

import pytest

from experiments.lessons.contents import ROWS, find
from experiments.lessons.show.quiz import TRIES, ask, diagnosis, parsed
from experiments.lessons.work import Question, agree


def _quiz(name, *lines):
    said, waiting = [], iter(lines)
    row = find(name)
    right = ask(row, row.run().of(Question), lambda prompt: next(waiting), said.append)
    assert next(waiting, None) is None, "not every line was read"
    return right, "\n".join(said)


def test_a_right_answer_is_right_at_once():
    right, said = _quiz("S24", "12.9")
    assert right == 1
    assert said.endswith("Right.")


def test_a_known_mistake_is_named_and_a_second_try_given():
    right, said = _quiz("S24", "4.3", "12.9")
    assert right == 1
    assert "multi_margin_loss divides by the number of classes" in said
    assert "It is" not in said


def test_an_empty_line_gives_up():
    right, said = _quiz("S24", "")
    assert right == 0
    assert said.endswith("It is 12.9.")


def test_tries_are_counted_and_what_is_no_number_is_none():
    right, said = _quiz("S24", "twelve", *["1"] * TRIES)
    assert right == 0
    assert said.count("No.") == TRIES
    assert "That is no number: 'twelve'" in said


@pytest.mark.parametrize(
    ("given", "answer", "said"),
    [
        (-2.9, 2.9, "The sign is wrong."),
        (5.8, 2.9, "It is 2 times what it should be."),
        (2.9 / 3, 2.9, "It is 0.333 times what it should be."),
        ([1, 2], [1, 2, 3], "This has 3 numbers, and you gave 2."),
        ([1, 5, 3], [1, 2, 3], "Some of it is right; look again at number 2."),
        (2.0403, 2.0404, "Close: give 4 digits after the point."),
        (0.7, 2.9, "No."),
        (0, 2.9, "No."),
    ],
)
def test_the_numbers_tell(given, answer, said):
    assert diagnosis(given, Question("", answer, digits=4)) == said


@pytest.mark.parametrize(
    ("line", "value"),
    [("1/4", 0.25), ("[1, 2]", [1, 2]), ("−.5", -0.5), ("1e-3", 0.001), ("1/0", None), ("nan", None), ("a", None)],
)
def test_lines_are_read(line, value):
    assert parsed(line) == value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_mistakes_are_mistakes(row, work_of):
    for question in work_of(row.name).of(Question):
        for why, wrong in question.mistakes.items():
            assert not agree(wrong, question.answer, question.digits), why
        assert agree(question.answer, question.answer, question.digits)

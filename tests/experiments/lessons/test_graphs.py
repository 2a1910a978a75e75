"""The graphs of S59 and S60 are drawn frame by frame, and S61's answers are those found by hand and stay hidden."""

import io

import pytest
import torch
from rich.console import Console

from experiments.lessons.contents import find
from experiments.lessons.figures.files import drawn
from experiments.lessons.show import terminal
from experiments.lessons.show.values import written
from experiments.lessons.work import Drawing, Number, Question, Step, agree

# Found with pencil and paper.
BY_HAND = [
    [0, 0],
    [0.5, 0.5],
    0.25,
    [-0.125, 0.125],
    [0.375, -0.1875],
    [1.1, -5.95, 4.05],
    [-0.3, 0.4, 2.3],
]


def texts(drawing):
    return [text.get_text() for axes in drawn(drawing).axes for text in axes.texts]


def test_s59_frame_by_frame(work_of):
    forward, first, second = (" ".join(texts(d)) for d in work_of("S59").of(Drawing))
    for local in ("∂f/∂q = −4", "∂f/∂z = 3", "∂q/∂x = 1", "∂q/∂y = 1"):
        assert all(local in frame for frame in (forward, first, second))
    assert "× 1 = −4" not in forward
    assert "× 1 = −4" in first
    assert "× 1 = 3" in first
    assert "× −4 = −4" not in first
    assert second.count("× −4 = −4") == 2


def test_s60_shows_that_twice_collects(work_of):
    [twice, _] = work_of("S60").of(Drawing)
    assert "∂c/∂a = 4" in texts(twice)
    assert texts(twice).count("× 2 = 2") == 2


@pytest.mark.parametrize(("question", "answer"), list(enumerate(BY_HAND)))
def test_the_exercises_answers_are_right(question, answer, work_of):
    questions = work_of("S61").of(Question)
    assert len(questions) == len(BY_HAND)
    assert agree(answer, questions[question].answer)


def test_the_exercises_mistakes_differ_from_each_other(work_of):
    for question in work_of("S61").of(Question):
        wrong = list(question.mistakes.values())
        for i, one in enumerate(wrong):
            assert not any(agree(one, other, question.digits) for other in wrong[:i]), question.text


def test_the_exercise_does_not_show_its_answers(work_of):
    row, work = find("S61"), work_of("S61")
    assert not work.of(Number)
    assert not work.of(Step)
    out = io.StringIO()
    terminal.row(Console(file=out, width=120), row, work, [])
    shown = out.getvalue() + " ".join(text for d in work.of(Drawing) for text in texts(d))
    for answer in BY_HAND[3:]:  # the others are numbers that the text is allowed to have
        for number in answer:
            assert written(number) not in shown.split()
            assert written(torch.tensor(answer).double()) not in shown
    assert "?" in shown

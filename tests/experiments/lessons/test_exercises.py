"""The exercises: what is handed out, which answers pass, and what is printed."""

import ast
import re
import shutil
import time

import pytest
import torch

from experiments.lessons.exercises import EXERCISES, grade, print_exercises, print_grades, write
from experiments.lessons.exercises.cut import written
from experiments.lessons.exercises.printing import told
from experiments.training.errors import UsageError

from .answers import LEFT_OUT, RIGHT, answer, graded
from .wrong_answers import HELPERS, WRONG

each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "exercises")
    return tmp_path / "exercises"


def test_there_are_ten_from_sigmoid_to_batch_norm():
    names = list(EXERCISES)
    assert (len(names), names[0], names[-1]) == (10, "sigmoid", "batch_norm")


# What is handed out


@each_exercise
def test_a_stub_is_the_answer_without_its_end(exercise, folder):
    text = (folder / exercise.file).read_text(encoding="utf-8")
    assert text.count(LEFT_OUT) == 1
    given, left = text.split(LEFT_OUT)
    assert exercise.source.startswith(given)
    assert exercise.source.endswith(left)
    assert "ctx.saved_tensors" in given
    for statement in written(exercise.source):
        assert ast.unparse(statement) not in text


@each_exercise
def test_a_stub_says_what_is_to_be_computed(exercise, folder):
    text = (folder / exercise.file).read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(text))
    assert re.match(rf"Exercise {list(EXERCISES).index(exercise.name) + 1}: .*\(rows? S\d+", doc)
    assert all(word in doc for word in ("=", "Shapes:", "Kink"))
    assert all(f"{name} (" in doc or f"{name} any" in doc or f"{name} a " in doc for name in exercise.arguments)
    assert "∂L" in next(ast.get_docstring(n) for n in ast.walk(ast.parse(text)) if getattr(n, "name", "") == "backward")


def test_what_a_student_wrote_is_kept(folder, capsys):
    mine = answer(folder, "relu", "return grad_out")
    before = mine.read_text(encoding="utf-8")
    (folder / "tanh.py").unlink()
    assert [path.name for path in write(folder)] == ["tanh.py"]
    assert mine.read_text(encoding="utf-8") == before
    assert print_exercises(folder) == 0
    shown = capsys.readouterr().out
    assert "Kept as they are: README.md, sigmoid.py" in shown
    assert "Wrote" not in shown


def test_readme_lists_every_file_and_the_command(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"| {e.file} |" in text for e in EXERCISES.values())
    assert "python -m experiments.lecture --grade FOLDER" in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_folder_that_cannot_be_written_to(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="name another folder"):
        write(tmp_path / "file")
    assert print_exercises(tmp_path / "file" / "below") == 2
    assert capsys.readouterr().err.count("\n") == 1


# What passes


def test_all_stubs_are_not_written_yet(folder, capsys):
    assert {g.status for g in grade(folder)} == {"not written yet"}
    assert print_grades(folder) == 1
    assert capsys.readouterr().out.endswith("0 of 10 passed, 10 not written yet.\n")


def test_all_answers_pass_in_time(folder, capsys):
    for exercise in EXERCISES.values():
        (folder / exercise.file).write_text(exercise.source, encoding="utf-8")
    start = time.perf_counter()
    assert print_grades(folder) == 0
    assert time.perf_counter() - start < 30
    assert capsys.readouterr().out.endswith("10 of 10 passed.\n")


@each_exercise
def test_an_answer_written_in_another_way_passes(exercise, folder):
    found = graded(folder, exercise.name, RIGHT[exercise.name].strip())
    assert found.passed, told(found)


def test_a_renamed_class_and_one_in_the_old_style_pass(folder):
    path = answer(folder, "sigmoid", "return grad_out * y * (1 - y)")
    path.write_text(path.read_text(encoding="utf-8").replace("class Sigmoid", "class MySigmoid"), encoding="utf-8")
    (folder / "tanh.py").write_text(
        "import torch\nfrom helper import slope\n\n"
        "class Tanh(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x):\n"
        "        ctx.y = torch.tanh(x)\n        ctx.save_for_backward(ctx.y)\n        return ctx.y\n"
        "    @staticmethod\n    def backward(ctx, g):\n        return g * slope(ctx.saved_tensors[0])\n"
    )
    (folder / "helper.py").write_text("def slope(y):\n    return 1 - y * y\n")
    assert [g.status for g in grade(folder, ["sigmoid", "tanh.py"])] == ["passed", "passed"]


def test_an_edited_file_is_read_anew(folder):
    assert not graded(folder, "relu", "return torch.where(x >= 0, grad_out, 0)").passed
    assert graded(folder, "relu", "return torch.where(x >  0, grad_out, 0)").passed
    assert not list(folder.rglob("__pycache__"))


def test_prints_are_held_back_and_counted(folder, capsys):
    found = graded(folder, "sigmoid", 'print("here", y)\nreturn grad_out * y')
    assert found.prints > 10
    assert "held back" in told(found)
    assert capsys.readouterr().out == ""


def test_an_interrupt_goes_through(folder, capsys):
    answer(folder, "sigmoid", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        print_grades(folder)
    print("standard output is back")
    assert "is back" in capsys.readouterr().out


def test_what_a_file_sets_for_all_is_put_back(folder):
    answer(folder, "sigmoid", "return grad_out * y * (1 - y)", "\ntorch.set_default_dtype(torch.float64)\n")
    answer(folder, "tanh", "return grad_out * (1 - y * y)", "\ntorch.set_grad_enabled(False)\n")
    assert [g.status for g in grade(folder, ["sigmoid", "tanh"])] == ["passed", "passed"]
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)


# What is printed


def test_lines_fit_the_terminal(folder, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    for name, slips in WRONG.items():
        answer(folder, name, next(iter(slips.values()))[0], HELPERS)
    (folder / "relu.py").unlink()
    assert print_grades(folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "✗  1 sigmoid        fails: gradient"
    assert lines[-1] == "0 of 10 passed, 9 fail, 1 not written yet."


def test_mistakes_of_the_command_give_status_2(tmp_path, folder, capsys):
    assert print_grades(tmp_path / "nowhere") == 2
    assert "does not exist; --exercise" in capsys.readouterr().err
    assert print_grades(folder / "relu.py") == 2
    assert "is no folder" in capsys.readouterr().err
    assert print_grades(folder, ["sigmiod"]) == 2
    assert "did you mean 'sigmoid'?" in capsys.readouterr().err
    shutil.rmtree(folder)
    folder.mkdir()
    assert print_grades(folder) == 2
    assert "holds none of the exercises" in capsys.readouterr().err

"""Grading: every classic slip fails by a property that makes sense, with a hint that helps and gives nothing away."""

import ast
import re

import pytest

from experiments.lessons.exercises import EXERCISES, grade, write
from experiments.lessons.exercises.cut import written
from experiments.lessons.exercises.exercise import PROPERTIES
from experiments.lessons.exercises.printing import told

from .answers import answer, graded
from .wrong_answers import HELPERS, WRONG

SLIPS = [(name, slip) for name, slips in WRONG.items() for slip in slips]
each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "exercises")
    return tmp_path / "exercises"


def test_every_exercise_has_three_slips():
    assert WRONG.keys() == EXERCISES.keys()
    assert min(map(len, WRONG.values())) >= 3


@pytest.mark.parametrize(("name", "slip"), SLIPS)
def test_a_classic_slip_fails_by_its_property_with_its_hint(name, slip, folder):
    code, property, words = WRONG[name][slip]
    found = graded(folder, name, code, HELPERS)
    assert (found.status, found.property) == ("fails", property), told(found)
    assert words in found.hint
    assert not reveals(found.hint, EXERCISES[name])


def squeezed(text):
    """Without what differs between mathematics, prose and code."""
    return re.sub(r"[\s*·()`]|torch\.", "", text.replace("−", "-").replace("²", "2").replace("^", ""))


def reveals(hint, exercise):
    """Whether a hint contains what the answer computes, or a part of it that has an operation on what was saved."""
    parts = {
        ast.unparse(node)
        for statement in written(exercise.source)
        for node in ast.walk(statement)
        if isinstance(node, ast.BinOp | ast.Call | ast.Compare)
    }
    if exercise.name in ("relu", "prelu", "squared_error"):
        parts -= {"x > 0", "x - target", "a * grad_out"}  # stand in the formula that is given
    return [part for part in parts if len(squeezed(part)) > 3 and squeezed(part) in squeezed(hint)]


@each_exercise
def test_no_hint_gives_the_answer_away(exercise):
    for hint in exercise.hints.values():
        assert reveals(hint, exercise) == []
        assert not re.search(r"grad_out\s*[*@.]|\.sum\(|torch\.\w+\(|return ", hint)
    # The test itself can fail:
    assert reveals("; ".join(map(ast.unparse, written(exercise.source))), exercise)


@each_exercise
def test_every_property_that_is_graded_has_a_hint(exercise):
    assert set(exercise.properties) <= set(PROPERTIES)
    for property in ("gradient form", *exercise.properties):
        for of in ("", *exercise.arguments):
            assert len(exercise.hint(property, of)) > 30


def test_hints_differ_from_exercise_to_exercise():
    hints = [e.hint(p) for e in EXERCISES.values() for p in ("gradient", *({"kinks", "extremes"} & e.hints.keys()))]
    assert len(set(hints)) == len(hints)


def test_a_gradient_of_another_type_is_named(folder):
    code = "p = torch.softmax(scores, 1)\ng = torch.zeros(p.shape)\ng += p\ng[range(len(g)), target] -= 1"
    found = graded(folder, "cross_entropy", f"{code}\nreturn grad_out * g / len(g), None")
    assert (found.property, "zeros_like" in found.hint) == ("gradient form", True)
    assert "a gradient of torch.float32 for scores of torch.float64" in found.seen


def test_seen_has_the_names_of_arguments_and_numbers(folder):
    found = graded(folder, "linear", "return grad_out @ weight, -grad_out.t() @ x, grad_out.sum(0)")
    assert re.search(r"the gradient of weight for a batch at \[\d, \d\] is -?\d\.\d+, not -?\d\.\d+", found.seen)
    assert "every sign is flipped" in found.seen


MISTAKES = {
    "an exception": (
        "z = y + 1\nreturn grad_out * q",
        "gradient",
        r"sigmoid.py, line 2\d, `return grad_out \* q`: NameError",
    ),
    "none returned": ("grad_x = grad_out * y", "gradient form", "backward returns None for x of shape .4, 3."),
    "a number": ("return 1.0", "gradient form", "returns a float for x"),
    "too many": (
        "return grad_out * y * (1 - y), y",
        "gradient form",
        "backward returns 2 of them, and forward takes x",
    ),
    "exit": ("raise SystemExit", "gradient", "ends the program"),
    "endless recursion": ("return Sigmoid.backward(ctx, grad_out)", "gradient", "RecursionError"),
    "autograd in vain": (
        "return torch.autograd.grad(torch.sigmoid(y), y, grad_out)[0]",
        "hand written",
        r"sigmoid.py, line 2\d, .*RuntimeError: element 0 of tensors does not require grad",
    ),
    "backward in vain": ("torch.sigmoid(y).sum().backward()\nreturn y.grad", "hand written", "RuntimeError"),
    "func": ("return torch.func.vjp(torch.sigmoid, torch.logit(y))[1](grad_out)[0]", "hand written", "autograd"),
}


@pytest.mark.parametrize(("code", "property", "seen"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_in_the_code_are_told_without_a_traceback(code, property, seen, folder, capsys):
    found = graded(folder, "sigmoid", code)
    assert (found.status, found.property) == ("fails", property)
    assert re.search(seen, found.seen)
    assert "Traceback" not in found.seen + found.hint
    assert capsys.readouterr() == ("", "")


FILES = {
    "syntax": ("def backward(:\n", r"sigmoid.py, line 1, `def backward\(:`: SyntaxError"),
    "indentation": ("def f():\npass\n", "sigmoid.py, line 2.*IndentationError"),
    "import": ("import torch\nimport no_such_module\n", "line 2, `import no_such_module`: ModuleNotFoundError"),
    "empty": ("", "one torch.autograd.Function, called Sigmoid, but has none"),
    "exit": ("exit()\n", "line 1, `exit..`: SystemExit"),
    "two of other names": (
        "import torch\nclass A(torch.autograd.Function): pass\nclass B(torch.autograd.Function): pass\n",
        "called Sigmoid, but has A, B",
    ),
}


@pytest.mark.parametrize(("text", "seen"), FILES.values(), ids=FILES)
def test_files_that_cannot_be_loaded(text, seen, folder):
    (folder / "sigmoid.py").write_text(text)
    [found] = grade(folder, "sigmoid")
    assert (found.status, found.property) == ("fails", "file")
    assert re.search(seen, found.seen)


def test_bytes_that_are_no_text(folder):
    (folder / "sigmoid.py").write_bytes(b"\xff\xfe\x00")
    assert grade(folder, "sigmoid")[0].property == "file"


def test_a_changed_forward_is_named(folder):
    path = answer(folder, "relu", "return torch.where(x > 0, grad_out, 0)")
    path.write_text(path.read_text(encoding="utf-8").replace("torch.relu(x)", "x.abs()"), encoding="utf-8")
    [found] = grade(folder, "relu")
    assert found.property == "value"
    assert "put it back" in found.hint
    path.write_text(path.read_text(encoding="utf-8").replace("x.abs()", "x.abz()"), encoding="utf-8")
    assert "`return x.abz()`: AttributeError" in grade(folder, "relu")[0].seen


def test_backward_taken_out_and_a_missing_file_are_not_written_yet(folder):
    path = folder / "sigmoid.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("    @staticmethod\n    def backward")], encoding="utf-8")
    (folder / "tanh.py").unlink()
    sigmoid, tanh = grade(folder, ["tanh", "sigmoid"])
    assert (sigmoid.status, tanh.status) == ("not written yet", "not written yet")
    assert "there is no tanh.py" in tanh.seen

"""The mutation run: which faults it plants, and that it tells those that are noticed from those that are not."""

import ast
import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from experiments.mutate import concerns, ledger
from experiments.mutate.examine import FailsAnyway, examine
from experiments.mutate.mutants import find, plant
from experiments.mutate.operators import OPERATORS
from experiments.mutate.proof import Catch

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def _afters(tmp_path, source, *operators):
    (tmp_path / "f.py").write_text(source)
    return [m.after for m in find(tmp_path, "f.py") if not operators or m.operator in operators]


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        ("drop a factor", "a * b", ["a", "b"]),
        ("drop a factor", "a / b", ["a"]),
        ("drop a term", "a + b", ["a", "b"]),
        ("drop a term", "a - b", ["a", "-b"]),
        ("flip a sign", "a + b", ["a - b"]),
        ("flip a sign", "a - b", ["a + b"]),
        ("flip a sign", "-a", ["a"]),
        ("flip a sign", "a & b", ["a | b"]),
        ("swap operands", "a - b", ["b - a"]),
        ("swap operands", "a @ b", ["b @ a"]),
        ("swap operands", "a * b", []),
        ("swap arguments", "torch.where(a, b, c)", ["torch.where(a, c, b)"]),
        ("swap arguments", "torch.matmul(a, b)", ["torch.matmul(b, a)"]),
        ("lose a transpose", "a.t() @ b.mT", ["a @ b.mT", "a.t() @ b"]),
        ("lose a transpose", "a.transpose(0, 1)", ["a"]),
        ("drop a sum", "a.sum(0, keepdim=True)", ["a"]),
        ("drop a sum", "torch.mean(a, 1)", ["a"]),
        ("drop a sum", "sum_to(a, b.shape)", ["a"]),
        ("drop a step", "a.to(b.dtype)", ["a"]),
        ("drop a step", "torch.exp(a)", ["a"]),
        ("drop a step", "a.mul_(b)", ["a"]),
        ("drop a step", "widen(a, b)", ["(a, b)"]),
        ("change a comparison", "a > b", ["a >= b", "a < b"]),
        ("change a comparison", "a == b", ["a != b"]),
        ("change a comparison", "a is None", ["a is not None"]),
        ("change a constant", "0", ["1"]),
        ("change a constant", "1", ["2", "0"]),
        ("change a constant", "7", ["8"]),
        ("change a constant", "0.5", ["1.0"]),
        ("change a constant", "True", ["False"]),
        ("change a constant", "None", []),
        ("confuse and with or", "a and b", ["a or b"]),
        ("drop a condition", "a and b", ["b", "a"]),
        ("drop a condition", "not a", ["a"]),
        ("negate a condition", "a if b else c", ["a if not b else c"]),
        ("negate a condition", "a if b == c else d", []),  # changing the comparison negates it
        ("negate a condition", "[a for a in b if c]", ["[a for a in b if not c]"]),
        ("ignore a condition", "a if b else c", ["a"]),
    ],
)
def test_an_operator_makes_its_faults(tmp_path, operator, before, after):
    assert _afters(tmp_path, f"y = {before}\n", operator) == [f"y = {a}" for a in after]


def test_statements(tmp_path):
    assert _afters(tmp_path, "save(ctx, x)\n", "drop a statement") == ["pass"]
    assert _afters(tmp_path, "if a:\n    b\n", "negate a condition") == ["if not a:"]
    assert _afters(tmp_path, "if a:\n    b\n", "ignore a condition") == ["if True:"]
    assert _afters(tmp_path, "a += b\n") == ["a -= b"]
    assert _afters(tmp_path, "def f(a=1): pass\n") == ["def f(a=2):", "def f(a=0):"]


def test_every_operator_is_tested():
    marks = test_an_operator_makes_its_faults.pytestmark[0].args[1]
    assert {operator for operator, *_ in marks} | {"drop a statement"} == set(OPERATORS)


@pytest.mark.parametrize(
    "source",
    [
        "import a",
        '"""1 + 1"""',
        "def f(a: 1 + 1) -> 2: pass",
        "def f():\n    raise ValueError(1 + 1)",
        "y = f'{1 + 1}'",
        "__all__ = [1]",
        "Number = int | tuple[int, int]",
        "y = zip(a, b, strict=True)",
        "@f(1)\nclass A(B[1]): pass",
    ],
)
def test_what_is_no_behaviour_is_left_alone(tmp_path, source):
    assert _afters(tmp_path, source + "\n") == []


def test_a_mutant_is_planted_where_it_says(tmp_path):
    (tmp_path / "f.py").write_text("class A:\n    def f(x):\n        return (x + 1 -\n            x)\n")
    mutants = find(tmp_path, "f.py")
    (swapped,) = (m for m in mutants if m.operator == "swap operands")
    assert str(swapped) == "f.py:3:17 A.f: swap operands: return x + 1 - x  ->  return x - (x + 1)"
    assert ast.unparse(plant(swapped)).endswith("return x - (x + 1)")
    assert len({ast.dump(plant(m)) for m in mutants}) == len(mutants)


def test_which_functions_a_file_concerns():
    folder = "manualnet/functional"
    assert concerns.concerned(f"{folder}/activations/sigmoid.py") == ("sigmoid",)
    assert concerns.concerned(f"{folder}/arithmetic/_axes.py") == ("mean", "sum")
    assert {"add", "linear"} <= set(concerns.concerned(f"{folder}/_shapes.py"))
    assert "sigmoid" not in concerns.concerned(f"{folder}/_shapes.py")
    from manualnet.functional import __all__ as every

    assert set(concerns.concerned(f"{folder}/_errors.py")) == set(every)


def test_equivalents_are_there_once_with_a_reason():
    keys = Counter(m.key for file in concerns.files() for m in find(concerns.ROOT, file))
    known = ledger.equivalent()
    assert [key for key in known if keys[key] != 1] == []
    assert all(known.values())
    assert len(known) == len(json.loads(ledger.EQUIVALENT.read_text(encoding="utf-8")))
    assert [key for key, n in keys.items() if n > 1] == []


class Toy:
    """Proves that f of a file doubles 3, and never looks at its argument k."""

    source = "def f(x, k=1):\n    return x + x\n"

    def __init__(self, folder, true=6):
        self.folder, self.true = folder, true
        (folder / "f.py").write_text(self.source)

    @property
    def mutants(self):
        return find(self.folder, "f.py")

    def find(self, mutant, recent):
        if mutant.after == "return x - x":
            os.kill(os.getpid(), 9)
        namespace = {}
        exec(compile(plant(mutant), "f.py", "exec"), namespace)
        return None if namespace["f"](3) == self.true else Catch("test", "doubles")

    def holds(self, file, catch):
        return self.true == 6


@posix
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
class TestExamining:
    def test_caught_crashed_and_survived_are_told_apart(self, tmp_path):
        toy = Toy(tmp_path)
        verdicts = {v.mutant.after: v.catch for v in examine(toy.mutants, toy, jobs=2, timeout=60)}
        assert verdicts == {
            "return x": Catch("test", "doubles"),
            "return x - x": Catch("crash", ""),
            "def f(x, k=2):": None,
            "def f(x, k=0):": None,
        }

    def test_a_check_that_fails_anyway_has_noticed_nothing(self, tmp_path):
        toy = Toy(tmp_path, true=5)
        with pytest.raises(FailsAnyway, match="doubles fails without"):
            list(examine(toy.mutants, toy, jobs=1, timeout=60))

    @pytest.mark.parametrize("hang", [lambda: time.sleep(60), lambda: sum(iter(int, 1))], ids=["idle", "busy"])
    def test_what_hangs_is_killed_and_caught(self, tmp_path, monkeypatch, hang):
        toy = Toy(tmp_path)
        monkeypatch.setattr(toy, "find", lambda mutant, recent: hang())
        start = time.monotonic()
        verdicts = list(examine(toy.mutants[:2], toy, jobs=2, timeout=0.3))
        assert [v.catch for v in verdicts] == [Catch("timeout", "")] * 2
        assert time.monotonic() - start < 30

    def test_an_error_of_the_proof_itself_is_no_verdict(self, tmp_path, monkeypatch):
        toy = Toy(tmp_path)
        monkeypatch.setattr(toy, "find", lambda mutant, recent: 1 / 0)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            list(examine(toy.mutants, toy, jobs=1, timeout=60))

    def test_tests_that_noticed_a_fault_are_asked_first_of_the_next(self, tmp_path, monkeypatch):
        toy = Toy(tmp_path)
        monkeypatch.setattr(toy, "find", lambda mutant, recent: Catch("test", f"{recent} and more"))
        first, second, *_ = [v.catch.check for v in examine(toy.mutants, toy, jobs=1, timeout=60)]
        assert first == "[] and more"
        assert second == f"{[first]} and more"

    def test_a_run_that_was_stopped_goes_on(self, tmp_path):
        toy = Toy(tmp_path)
        book = ledger.Ledger(tmp_path / "runs" / "book.jsonl", resume=False)
        verdicts = list(examine(toy.mutants, toy, jobs=1, timeout=60))
        for verdict in verdicts[:-1]:
            book.write(verdict)
        with book.path.open("a") as file:
            file.write('{"file": "f.py", "funct')  # stopped while writing
        again = ledger.Ledger(book.path, resume=True)
        assert again.caught == {v.mutant.key: v.catch for v in verdicts[:-1] if v.catch}
        again.write(verdicts[-1])
        caught = {v.mutant.key: v.catch for v in verdicts if v.catch}
        assert len(caught) == 2
        assert ledger.Ledger(book.path, resume=True).caught == caught
        assert ledger.Ledger(book.path, resume=False).caught == {}


def _program(*arguments, **kwargs):
    command = [sys.executable, "-m", "experiments.mutation", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=concerns.ROOT, timeout=600, **kwargs)


def test_a_draw_is_another_for_another_seed():
    first, other = (_program("--sample", "5", "--seed", seed, "--list").stdout for seed in "12")
    assert first != other
    assert len(first.splitlines()) == 5


def test_listing():
    done = _program("--only", "sigmoid", "--list")
    assert done.returncode == 0
    assert "_times_slope: drop a factor" in done.stdout
    assert _program("--only", "nonsense", "--list").stderr.startswith("error: no function")


@posix
def test_a_sample_is_caught(tmp_path):
    figures = tmp_path / "figures.json"
    done = _program("--sample", "20", "--ledger", str(tmp_path / "book.jsonl"), "--json", str(figures))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(figures.read_text())["survived"] == 0

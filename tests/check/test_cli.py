"""``python -m manualnet.check``, called as a user would."""

import json
import subprocess
import sys

import pytest
import torch

from manualnet.check import PROPERTIES
from manualnet.check.command.cli import main
from manualnet.specs import SPECS

OWN = """
import torch
from beside import sigmoid
from manualnet.check import Sample, Spec

class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * sigmoid(x)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        y = sigmoid(x)
        return grad_out * (y + x * y * (1 - y))

class Halved(Swish):
    @staticmethod
    def backward(ctx, grad_out):
        return Swish.backward(ctx, grad_out) / 2

def scaled(x, target, factor, reduction="none"):
    assert target.dtype == torch.int64
    y = x[:, target] * factor
    return y.sum() if reduction == "sum" else y

number = 3
SPEC = Spec("my swish", Swish, [Sample((torch.randn(3, dtype=torch.float64, requires_grad=True),))])
"""


@pytest.fixture(autouse=True)
def threads():
    """The command takes one thread, and the tests are in its process."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with somebody's code, which is also where the command is run."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "beside.py").write_text("from torch import sigmoid\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # python -m puts the folder there
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def run(capsys, *args):
    status = main([*args])
    out, err = capsys.readouterr()
    return status, out, err


def reports(capsys, *args):
    status, out, _ = run(capsys, *args, "--json")
    found = json.loads(out)
    assert found["passed"] == (status == 0)
    return found["reports"]


def test_functions_and_properties_have_names_of_their_own():
    # --only takes both.
    assert set(SPECS).isdisjoint(PROPERTIES)


def test_several_functions_make_a_matrix(capsys):
    status, out, err = run(capsys, "relu", "sigmoid", "--only", "value,gradient", "--jobs", "1")
    assert status == 0
    assert out.splitlines()[:3] == ["        a b", "relu    ✓ ✓", "sigmoid ✓ ✓"]
    assert "2 functions, 2 properties: 4 passed, 0 failed, 0 do not apply" in out
    assert err == ""


def test_one_function_makes_a_table(capsys):
    status, out, _ = run(capsys, "sigmoid", "--only", "numeric-gradient", "--only", "Value")
    assert status == 0
    assert "✓ numeric gradient" in out
    assert "sigmoid: 2 passed, 0 failed, 0 do not apply" in out


def test_without_a_target_all_of_manualnet_is_proved(capsys):
    found = reports(capsys, "--only", "value", "--jobs", "1")
    assert [r["name"] for r in found] == list(SPECS)


@pytest.mark.parametrize("target", ["own.py:Swish", "own:Swish", "./own.py:Swish"])
def test_somebodys_function(capsys, own, target):
    status, out, _ = run(
        capsys, target, "--input", "3x4", "--reference", "torch.nn.functional:silu", "--only", "value,gradient"
    )
    assert status == 0
    assert "Swish: 2 passed" in out


def test_a_failure_says_what_is_wrong_and_exits_with_1(capsys, own):
    status, out, _ = run(capsys, "own.py:Halved", "--input", "3x4", "--only", "numeric-gradient")
    assert status == 1
    assert "1/2 times the right one" in " ".join(out.split())
    assert "mend" in out


def test_samples_are_three_draws_from_the_seed(capsys, own):
    (halved,) = reports(capsys, "own.py:Halved", "--input", "3", "--seed", "5", "--only", "numeric-gradient")
    assert "sample 'seed 5'" in halved["results"][0]["where"]


def test_a_spec_brings_its_samples_and_the_command_line_changes_them(capsys, own):
    (report,) = reports(capsys, "own.py:SPEC", "--only", "value,numeric-gradient")
    assert report["name"] == "my swish"
    assert [r["status"] for r in report["results"]] == ["does not apply", "passed"]
    (report,) = reports(
        capsys, "own.py:SPEC", "--input", "2x2", "--reference", "torch.nn.functional:silu", "--only", "value"
    )
    assert [r["status"] for r in report["results"]] == ["passed"]


def test_arguments_of_every_kind(capsys, own):
    args = ["own.py:scaled", "--input", "2x3", "--input", "4:int64:0..2", "--input", "=0.5", "--kwarg", "reduction=sum"]
    (report,) = reports(capsys, *args, "--only", "numeric-gradient")
    assert [r["status"] for r in report["results"]] == ["passed"]


def test_a_file_in_a_package_finds_its_package(capsys, own):
    package = own / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "ops.py").write_text("from torch import sigmoid\n")
    (package / "inner.py").write_text("from .ops import sigmoid\ndef f(x):\n    return x * sigmoid(x)\n")
    status, out, _ = run(capsys, "package/inner.py:f", "--input", "3", "--only", "numeric-gradient")
    assert (status, "f: 1 passed" in out) == (0, True)


def test_a_file_may_have_the_name_of_a_module_in_use(capsys, own):
    (own / "queue.py").write_text("def f(x):\n    return x * x\n")
    import queue

    status, out, _ = run(capsys, "queue.py:f", "--input", "3", "--only", "numeric-gradient")
    assert (status, "f: 1 passed" in out) == (0, True)
    assert sys.modules["queue"] is queue


def test_json_is_strict_and_complete(capsys, own):
    status, out, _ = run(capsys, "own.py:Halved", "--input", "3", "--only", "numeric-gradient", "--json", "found.json")
    assert status == 1
    assert "✗" in out
    found = json.loads((own / "found.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert found["torch"] == torch.__version__
    assert found["claims"] == {"numeric gradient": PROPERTIES["numeric gradient"].claim}
    (result,) = found["reports"][0]["results"]
    assert result["status"] == "failed"
    assert result["error"] > result["bound"]
    assert result["wrong"]
    assert result["mend"]


def test_where_json_cannot_be_written_the_table_is_there(capsys, own):
    (own / "found.json").mkdir()
    status, out, err = run(
        capsys, "own.py:Halved", "--input", "3", "--only", "numeric-gradient", "--json", "found.json"
    )
    assert status == 2
    assert "numeric gradient" in out
    assert "--json found.json: it cannot be written (Is a directory)" in err
    assert not list(own.glob("*.part"))


def test_json_of_a_number_that_is_none(capsys, own):
    (own / "nan.py").write_text("def f(x):\n    return x * float('nan')\n")
    status, out, _ = run(
        capsys, "nan.py:f", "--input", "3", "--reference", "torch:sin", "--only", "value", "--json", "-"
    )
    assert status == 1
    assert json.loads(out, parse_constant=pytest.fail)["reports"][0]["results"][0]["status"] == "failed"


def test_what_the_function_prints_is_kept_out_of_the_result(capsys, own):
    (own / "chatty.py").write_text("print('imported')\ndef f(x):\n    print('called')\n    return x * x\n")
    _, out, err = run(capsys, "chatty.py:f", "--input", "3", "--only", "numeric-gradient", "--json")
    assert json.loads(out)["passed"]
    assert "imported\ncalled\n" in err


def test_list_shows_every_claim_and_function(capsys):
    status, out, _ = run(capsys, "--list")
    assert status == 0
    text = " ".join(out.split())
    assert [p.name for p in PROPERTIES.values() if f"{p.name} {p.claim}" not in text] == []
    assert ", ".join(SPECS) in text


def test_skip_leaves_out(capsys):
    found = reports(capsys, "sigmoid", "relu", "--skip", "relu", "--only", "value,gradient", "--skip", "value")
    assert [(r["name"], [x["property"] for x in r["results"]]) for r in found] == [("sigmoid", ["gradient"])]


def test_help_and_pytest_start_without_torch():
    code = """
import sys, manualnet.pytest_plugin
from manualnet.check.command.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
assert main(["--jobs", "0"]) == 2
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m manualnet.check" in done.stdout


FILES = {
    "syntax.py": "x = 1\ndef f(x) return x\n",
    "imports.py": "x = 1\n\nimport no_such_module\n",
    "raises.py": "def helper():\n    raise ValueError('boom\\nsecond line')\n\nhelper()\n",
    "exits.py": "import sys\nsys.exit(3)\n",
}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sigmiod", "did you mean 'sigmoid'?"),
        ("xyzzy", "--list shows"),
        ("gradient", "gradient is a property: write --only gradient"),
        ("sigmoid --only gradiant", "did you mean 'gradient'?"),
        ("sigmoid --only sgmoid", "did you mean 'sigmoid'?"),
        ("sigmoid --skip xyzzy", "--skip xyzzy: no property and no function"),
        ("sigmoid --skip sigmoid", "leave no function"),
        ("sigmoid --only value --skip value", "leave no property"),
        ("sigmoid --jobs 0", "--jobs is 0"),
        ("sigmoid --jobs many", "--jobs"),
        ("sigmoid --seed x", "--seed"),
        ("sigmoid --jsn", "--jsn"),
        ("--json sigmoid", "ends in .json"),
        ("--json nowhere/found.json", "no such folder"),
        ("--input 3", "need a TARGET"),
        ("own.py", "it has Swish, Halved, SPEC"),
        ("own.py:Swish", "--input 3x4"),
        ("own.py:Swsh --input 3", "did you mean 'Swish'?"),
        ("own.py:Nothing --input 3", "it has Swish, Halved, SPEC"),
        ("own.py:Swish.nothing --input 3", "own.py has no 'Swish.nothing'"),
        ("own.py:number --input 3", "of type int"),
        ("own.py:number.nothing --input 3", "own.py has no 'number.nothing'"),
        ("own.py:SPEC --kwarg beta=1", "--kwarg needs --input"),
        ("own.py:Swish --input 3q", "'3q' is not a shape"),
        ("own.py:Swish --input 99999999999x99999999", "too large for PyTorch"),
        ("own.py:Swish --input 3 --seed 99999999999999999999999", "too large for PyTorch"),
        ("own.py:Swish --input 8:int64:0..99999999999999999999", "too large for PyTorch"),
        ("own.py:Swish --input 3 --reference silu", "MODULE:NAME"),
        ("own.py:Swish --input 3 --reference torch:slu", "torch has no 'slu'"),
        ("torch.nn:GELU --input 3", "is a class"),
        ("missing.py:f --input 3", "there is no file missing.py"),
        ("no_such_package.sub:f --input 3", "No module named 'no_such_package'"),
        ("syntax.py:f --input 3", "syntax.py, line 2: SyntaxError"),
        ("imports.py:f --input 3", "imports.py, line 3: ModuleNotFoundError: No module named 'no_such_module'"),
        ("imports:f --input 3", "imports.py, line 3: ModuleNotFoundError"),
        ("raises.py:f --input 3", "raises.py, line 2: ValueError: boom"),
        ("exits.py:f --input 3", "__main__"),
    ],
)
def test_mistakes_take_one_line_and_exit_with_2(capsys, own, line, told):
    for name, text in FILES.items():
        (own / name).write_text(text)
    status, out, err = run(capsys, *line.split())
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_a_claim_of_the_command_line_reaches_the_spec(capsys):
    (report,) = reports(capsys, "torch.nn.functional:silu", "--input", "3", "--hand-written", "--only", "hand-written")
    assert [r["status"] for r in report["results"]] == ["failed"]

"""The program, as a person runs it."""

import json
import re
import subprocess
import sys

import pytest
import torch

from experiments import benchmark
from experiments.bench import goals
from experiments.bench.settings import SETTINGS, SUMMED
from manualnet.specs import SPECS

FAST = ["--quick", "--seconds", "0", "--dtypes", "float32"]


def _run(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        benchmark.main(list(arguments))
    return end.value.code or 0


@pytest.fixture
def threads():
    """What a run sets, set back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_run_leaves_record_and_figures(tmp_path, capsys, threads):
    assert _run(*FAST, "--only", "step", "linear", "--threads", "1", "--output", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "1 thread," in out
    assert re.search(r"^step +[+-]\d", out, re.MULTILINE)
    assert "goals" in out
    record = json.loads((tmp_path / "benchmark.json").read_text())
    parts = "versions machine options matmul_peak functions settings calls models growth goals"
    assert record.keys() == set(parts.split())
    assert record["machine"]["threads"] == 1
    assert record["options"]["only"] == ["step", "linear"]
    assert [(f["function"], f["bytes"]) for f in record["functions"] if not f["label"]] == [
        (name, size) for name in ("step", "linear") for size in (4096, 4 * 2**20)
    ]
    large = [sample.label for sample in SPECS["linear"].large(torch.Generator().manual_seed(0))]
    assert [(f["function"], f["label"]) for f in record["functions"] if f["label"]] == [("linear", x) for x in large]
    [step] = record["models"]
    assert step["model"] == "linear"
    assert step["memory"].keys() == {"manual", "twin"}
    assert record["settings"] == record["calls"] == record["growth"] == []
    assert {"name", "measured", "limit", "unit", "detail", "holds"} == record["goals"][0].keys()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["benchmark.json", "functions.svg", "models.svg"]


@pytest.mark.parametrize(("extra", "code"), [([], 0), (["--check"], 1)])
def test_a_missed_goal_fails_only_when_asked(tmp_path, monkeypatch, extra, code):
    monkeypatch.setattr(goals, "OVERHEAD", -1.0)
    assert _run(*FAST, "--only", "add", "--output", str(tmp_path), *extra) == code


def test_other_settings_are_a_section_of_their_own(tmp_path, capsys, threads):
    assert _run(*FAST, "--only", "settings", "--threads", "1", "--output", str(tmp_path)) == 0
    assert "on other layouts and with other settings" in capsys.readouterr().out
    record = json.loads((tmp_path / "benchmark.json").read_text())
    assert [(r["function"], r["label"]) for r in record["settings"]] == [
        (function, label)
        for name in dict.fromkeys(f for f, *_ in SETTINGS + SUMMED)
        for function, label, _ in SETTINGS + SUMMED
        if function == name
    ]
    # As many numbers as there is room for, but for what shapes leave over; the batch is the second of two.
    rows = [r for r in record["settings"] if r["label"] != "a matrix, a batch"]
    assert all(0.9 * 4 * 2**20 < 4 * torch.Size(r["shape"]).numel() <= 4 * 2**20 for r in rows)
    assert record["functions"] == []
    assert {g["name"] for g in record["goals"]} == {"exp and tanh, from 4 MiB on", "other functions, from 4 MiB on"}


def test_list_measures_nothing(tmp_path, capsys):
    assert _run("--list", "--output", str(tmp_path / "none")) == 0
    out = capsys.readouterr().out.split()
    assert {"growth", "max_pool2d", "two_layer"} <= set(out)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "reloo"], "reloo"),
        (["--threads", "0"], "--threads"),
        (["--seconds", "-1"], "--seconds"),
        (["--seconds", "nan"], "--seconds"),
        (["--clock", "cpu"], "--threads 1"),
        (["--output", "{file}/folder"], "--output"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path, capsys, arguments, words):
    (tmp_path / "file").touch()
    assert _run("--output", str(tmp_path), *(a.format(file=tmp_path / "file") for a in arguments)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("only", "expected"),
    [([], ["relu", "linear"]), (["functions"], ["relu", "linear"]), (["linear"], ["linear"]), (["growth"], [])],
)
def test_what_only_chooses(only, expected):
    assert benchmark.chosen("functions", ["relu", "linear"], only) == expected
    assert benchmark.chosen("calls", ["linear"], ["linear"], by_name=False) == []


def test_memory_is_tamed_before_torch_starts():
    if not sys.platform.startswith("linux"):
        pytest.skip("only on Linux")
    lines = [
        "import os, sys",
        "sys.modules['torch'] = None",  # its import fails
        "try: import experiments.benchmark",
        "except ImportError: print(os.environ['THP_MEM_ALLOC_ENABLE'])",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"

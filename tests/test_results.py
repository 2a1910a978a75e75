"""The README's table says what the files under docs/results say."""

import json
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) ± ([\d.]+) % \| (\d+) s \| (\d) \| ([\d,]+) \| (.+) \|$", re.MULTILINE)
TABLE = {row[0]: row for row in ROW.findall((ROOT / "README.md").read_text())}
RESULTS = [json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "results").glob("*-seed*.json"))]


def test_there_is_a_table():
    assert TABLE
    assert set(TABLE) == {r["model"] for r in RESULTS}


@pytest.mark.parametrize("model", TABLE)
def test_a_row_is_its_files(model):
    _, mean, deviation, seconds, cores, parameters, views = TABLE[model]
    runs = [r for r in RESULTS if r["model"] == model]
    accuracies = [100 * r["test_accuracy"] for r in runs]
    assert sorted(r["seed"] for r in runs) == [0, 1, 2]
    assert mean == f"{statistics.mean(accuracies):.2f}"
    assert deviation == f"{statistics.stdev(accuracies):.2f}"
    assert seconds == f"{statistics.mean(r['train_seconds'] for r in runs):.0f}"
    assert {r["machine"]["threads"] for r in runs} == {int(cores)}
    assert {f"{r['parameters']:,}" for r in runs} == {parameters}
    assert {r["test_views"].replace("_", " ") for r in runs} == {views}


@pytest.mark.parametrize("run", RESULTS, ids=lambda r: f"{r['model']}-seed{r['seed']}")
def test_a_run_is_what_the_table_claims(run):
    assert (run["dataset"], run["gradients"], run["device"]) == ("cifar10", "manual", "cpu")
    assert run["train_on_all"]
    assert "/" not in json.dumps(run["config"])

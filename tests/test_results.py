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

RACE = re.compile(
    r"^\| `(\w+)` \| (\w+) \| (\d+) \| ([\d.]+ ± [\d.]+) % \| (\d+ ± \d+) s \| ([\d.]+) \|$", re.MULTILINE
)
RACERS = RACE.findall((ROOT / "README.md").read_text())


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


def _raced(recipe: str, gradients: str) -> tuple[list[float], list[float]]:
    """Accuracies in percent, and seconds, of the seeds 0, 1, …"""
    files = (ROOT / "docs" / "results" / "race").glob("*/result.json")
    runs = [
        r for r in map(json.loads, map(Path.read_text, files)) if (r["recipe"], r["gradients"]) == (recipe, gradients)
    ]
    assert sorted(r["seed"] for r in runs) == list(range(len(runs)))
    assert all(r["train_on_all"] and r["dataset"] == "cifar10" and r["machine"]["threads"] == 2 for r in runs)
    parts = ("normalise_seconds", "train_seconds", "test_seconds")
    return [100 * r["test_accuracy"] for r in runs], [sum(r[part] for part in parts) for r in runs]


def test_the_race_is_in_the_table():
    assert [(recipe, gradients) for recipe, gradients, *_ in RACERS] == [
        ("fast94", "manual"),
        ("airbench94", "automatic"),
    ]


@pytest.mark.parametrize("row", RACERS, ids=lambda row: row[0])
def test_the_race_is_its_files(row):
    recipe, gradients, count, *told = row
    accuracies, seconds = _raced(recipe, gradients)
    _, record = _raced("airbench94", "automatic")
    assert len(accuracies) == int(count)
    assert told == [
        f"{statistics.mean(accuracies):.2f} ± {statistics.stdev(accuracies):.2f}",
        f"{statistics.mean(seconds):.0f} ± {statistics.stdev(seconds):.0f}",
        f"{statistics.mean(seconds) / statistics.mean(record):.2f}",
    ]

"""The README's table says what the files under docs/results say."""

import json
import re
import statistics
from pathlib import Path

import pytest

from experiments.race import Runner

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) ± ([\d.]+) % \| (\d+) s \| (\d) \| ([\d,]+) \| (.+) \|$", re.MULTILINE)
TABLE = {row[0]: row for row in ROW.findall((ROOT / "README.md").read_text())}
RESULTS = [json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "results").glob("*-seed*.json"))]

RACE = re.compile(
    r"^\| `(\w+)` \| (\w+) \| (\w+) \| (\d+) \| ([\d.]+ ± [\d.]+) % \| (\d+ ± \d+) s \| ([\d.]+) \|$", re.MULTILINE
)
RACERS = RACE.findall((ROOT / "README.md").read_text())

BEYOND = re.findall(
    r"^\| `(\w+)` \| (\d+) \| ([\d.]+(?: ± [\d.]+)?) % \| (\d+(?: ± \d+)?) s(?: \((\d+)\))? \|$",
    (ROOT / "README.md").read_text(),
    re.MULTILINE,
)


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


def _raced(recipe: str, gradients: str, precision: str) -> dict:
    """What the race says of the seeds 0, 1, …"""
    every = [json.loads(file.read_text()) for file in (ROOT / "docs" / "results").glob("race*/*/result.json")]
    runs = [r for r in every if (r["recipe"], r["gradients"], r["precision"]) == (recipe, gradients, precision)]
    assert sorted(r["seed"] for r in runs) == list(range(len(runs)))
    assert all(r["train_on_all"] and r["dataset"] == "cifar10" and r["machine"]["threads"] == 2 for r in runs)
    return Runner([recipe, gradients], len(runs), runs).record()


def test_the_race_is_in_the_table():
    assert [tuple(row[:3]) for row in RACERS] == [
        (recipe, gradients, precision)
        for precision in ("float32", "bfloat16")
        for recipe, gradients in (("fast94", "manual"), ("airbench94", "automatic"))
    ]


@pytest.mark.parametrize("row", RACERS, ids=lambda row: f"{row[0]}-{row[2]}")
def test_the_race_is_its_files(row):
    recipe, gradients, precision, count, *told = row
    ran, record = _raced(recipe, gradients, precision), _raced("airbench94", "automatic", precision)
    assert ran["runs"] == int(count)
    assert told == [
        f"{ran['accuracy']:.2f} ± {ran['accuracy_deviation']:.2f}",
        f"{ran['seconds']:.0f} ± {ran['seconds_deviation']:.0f}",
        f"{ran['seconds'] / record['seconds']:.2f}",
    ]


@pytest.mark.parametrize("row", BEYOND, ids=lambda row: row[0])
def test_more_accuracy_is_its_files(row):
    recipe, count, accuracy, seconds, timed = row
    files = (ROOT / "docs" / "results" / "beyond").glob(f"recipe-{recipe}-*/result.json")
    runs = [json.loads(file.read_text()) for file in files]
    assert sorted(r["seed"] for r in runs) == list(range(int(count)))
    assert all(r["train_on_all"] and r["gradients"] == "manual" for r in runs)
    # Times are of two cores; how many runs had them is said where it is not all.
    both = [r for r in runs if r["machine"]["threads"] == 2]
    assert len(both) == int(timed or count)
    assert accuracy == _spread(Runner([recipe], len(runs), runs).record(), "accuracy", 2)
    assert seconds == _spread(Runner([recipe], len(both), both).record(), "seconds", 0)


def _spread(record: dict, name: str, digits: int) -> str:
    mean = f"{record[name]:.{digits}f}"
    return mean if record["runs"] == 1 else f"{mean} ± {record[f'{name}_deviation']:.{digits}f}"


def test_there_is_more_accuracy():
    assert [row[0] for row in BEYOND] == ["fast95", "fast96"]

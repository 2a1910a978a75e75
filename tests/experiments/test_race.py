"""Runs in turns, and what comes of them side by side."""

import json
import math

import pytest

from experiments import race
from experiments.cifar import main
from experiments.training.train import Trainer

QUICK = "--model linear --dataset embedded --max-steps 1 --threads 1".split()


def results(accuracies, seconds):
    return [
        {"test_accuracy": a / 100, "val_accuracy": 0.1, "normalise_seconds": 1, "train_seconds": s, "test_seconds": 2}
        for a, s in zip(accuracies, seconds, strict=True)
    ]


def test_mean_error_and_all_seconds_are_told():
    record = race.Runner(["--x"], 4, results([94.0, 94.2, 93.8, 94.0], [7, 9, 7, 9])).record()
    assert record["accuracy"] == pytest.approx(94.0)
    assert record["accuracy_less_standard_error"] == pytest.approx(94.0 - math.sqrt(0.08 / 3) / 2)
    assert record["seconds"] == pytest.approx(11.0)


def test_without_a_test_set_the_validation_set_counts():
    runner = race.Runner(["--x"], 1, [results([94.0], [7])[0] | {"test_accuracy": None, "test_seconds": None}])
    assert (runner.accuracies, runner.seconds) == ([10.0], [8])
    assert runner.record()["accuracy_less_standard_error"] is None


def test_runs_of_a_setting_are_spread_over_the_race():
    turns = [r.name for r, _ in race.order([race.Runner(["a"], 10), race.Runner(["b"], 2)])]
    assert "".join(turns) == "aaabaaaaabaa"


def test_a_race_is_run_and_not_repeated(tmp_path, capsys):
    arguments = [
        "--seeds",
        "2",
        "1",
        "--runs-dir",
        str(tmp_path),
        "--",
        *QUICK,
        "vs",
        *QUICK,
        "--gradients",
        "automatic",
    ]
    race.main(arguments)
    shown = capsys.readouterr().out
    first, second = json.loads((tmp_path / "race.json").read_text())["settings"]
    assert (first["runs"], second["runs"]) == (2, 1)
    assert first["accuracies"][0] == pytest.approx(second["accuracies"][0])
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/result.json")}
    assert len(before) == 3
    race.main(arguments)
    assert capsys.readouterr().out == shown
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no setting, or an empty one"),
        (["--", "--model", "mlp", "vs"], "no setting, or an empty one"),
        (
            ["--seeds", "1", "2", "3", "--", "--model", "mlp", "vs", "--model", "linear"],
            "1 or 2 numbers above 0, and is 1 2 3",
        ),
        (["--seeds", "0", "--", "--model", "mlp"], "numbers above 0, and is 0"),
        (["--", "--width", "0"], "error: --width 0: --width must be from 4 to 65536, and is 0"),
        (["--", "--model", "mlp", "--seed", "3"], "error: --seed is chosen for each run: leave it out"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        race.main(["--runs-dir", str(tmp_path), *arguments])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_a_stopped_run_goes_on(tmp_path):
    setting = "--model linear --dataset embedded --epochs 2 --threads 1".split()
    name = "-".join([*(word.strip("-") for word in setting), "seed0"])

    class Stopped(Exception):
        pass

    def stops(trainer, images, labels, step=Trainer.step):
        if trainer.epoch == 1:
            raise Stopped
        return step(trainer, images, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stops)
        with pytest.raises(Stopped):
            main([*setting, "--seed", "0", "--runs-dir", str(tmp_path), "--run-name", name])
    race.main(["--seeds", "1", "--runs-dir", str(tmp_path), "--", *setting])
    assert json.loads((tmp_path / name / "result.json").read_text())["resumed_after"] == [1]

"""The program, as a person runs it."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from experiments.cifar import main
from experiments.training import results
from experiments.training.train import Trainer

QUICK = ["--dataset", "embedded", "--model", "linear", "--max-steps", "4"]


def _run(tmp_path, *arguments):
    main([*arguments, "--runs-dir", str(tmp_path)])


def _refused(tmp_path, capsys, *arguments):
    """The one line that is said of a mistake."""
    with pytest.raises(SystemExit) as ended:
        _run(tmp_path, *arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


def test_a_run_leaves_all_its_files(tmp_path, capsys):
    _run(tmp_path, *QUICK, "--run-name", "first")
    folder = tmp_path / "first"
    result = json.loads((folder / "result.json").read_text())
    wanted = "dataset model gradients device precision seed epochs train_seconds val_accuracy test_accuracy versions"
    assert set(wanted.split()) <= result.keys()
    assert result["versions"].keys() >= {"manualnet", "torch"}
    assert (result["dataset"], result["model"], result["steps"]) == ("embedded", "linear", 4)
    assert not result["train_on_all"]
    config = json.loads((folder / "config.json").read_text())
    assert config["max_steps"] == 4
    assert list(folder.glob("events.out.tfevents.*"))
    out = capsys.readouterr().out
    assert f"tensorboard --logdir {tmp_path}" in out
    assert "test accuracy by class" in out


def test_dashboard_has_its_scalars(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _run(tmp_path, *QUICK, "--run-name", "first")
    events = EventAccumulator(str(tmp_path / "first")).Reload()
    tags = set(events.Tags()["scalars"])
    assert {"training/loss", "training/accuracy", "training/learning rate", "validation/accuracy"} <= tags
    assert "gradient norm/1.weight" in tags
    assert [e.step for e in events.Scalars("training/loss")] == [1, 2, 3, 4]


def test_training_on_all_is_recorded(tmp_path):
    _run(tmp_path, *QUICK, "--run-name", "all", "--train-on-all")
    result = json.loads((tmp_path / "all" / "result.json").read_text())
    assert result["train_on_all"]
    assert (result["train_pictures"], result["val_accuracy"]) == (10_000, None)


def test_the_test_set_can_be_left_alone(tmp_path, capsys):
    _run(tmp_path, *QUICK, "--run-name", "choosing", "--no-test")
    assert json.loads((tmp_path / "choosing" / "result.json").read_text())["test_accuracy"] is None
    assert "test accuracy" not in capsys.readouterr().out


def test_no_run_is_written_over(tmp_path, capsys):
    _run(tmp_path, *QUICK, "--run-name", "first")
    assert "first exists already: give another --run-name" in _refused(tmp_path, capsys, *QUICK, "--run-name", "first")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "cifar10", "--data-dir", "/nowhere"], "error: --data-dir /nowhere does not exist"),
        ([*QUICK, "--device", "cuda"], "error: --device cuda: this machine has none"),
        ([*QUICK, "--batch-size", "0"], "error: --batch-size must be at least 1, and is 0"),
        ([*QUICK, "--epochs", "-1"], "error: --epochs must be more than 0 and at most 100,000, and is -1.0"),
        ([*QUICK, "--max-steps", "0"], "error: --max-steps must be at least 1, and is 0"),
        ([*QUICK, "--dropout", "1.5"], "error: --dropout must be from 0 to 1, and is 1.5"),
        ([*QUICK, "--learning-rate", "-1"], "error: --learning-rate must be at least 0, and is -1.0"),
        ([*QUICK, "--crop", "40"], "error: --crop must be from 0 to 31, and is 40"),
        (["--resolutions", "8", "32"], "error: --resolutions must be one or more sides from 9 to 64, and is 8 32"),
        (
            [*QUICK, "--resolutions", "16", "32"],
            "error: --resolutions 16 32: --model linear takes pictures of 32 pixels",
        ),
        (["--skip", "1"], "error: --skip must be from 0 to 0.99, and is 1.0"),
        ([*QUICK, "--learning-rate", "inf"], "error: --learning-rate must be at least 0 and finite, and is inf"),
        ([*QUICK, "--threads", "100000"], "error: --threads must be from 1 to 1024, and is 100000"),
        ([*QUICK, "--epochs", "1e400"], "error: --epochs must be more than 0 and at most 100,000, and is inf"),
        ([*QUICK, "--seed", str(2**70)], "error: --seed must be from 0 to"),
        (["--width", "3"], "error: --width must be from 4 to 65536, and is 3"),
        ([*QUICK, "--run-name", ".."], "error: --run-name must be the name of a folder, without a path, and is '..'"),
        (["--freeze", "1.5"], "error: --freeze must be from 0 to 1, and is 1.5"),
        (["--recipe", "fast99"], "error: --recipe must be one of airbench94, fast94, fast95, fast96, and is 'fast99'"),
        ([*QUICK, "--recipe", "fast94"], "error: --recipe fast94 is convnet's, and --model is linear"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert _refused(tmp_path, capsys, *arguments).startswith(message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [[], ["--recipe", "fast94"], ["--model", "convnet", "--recipe", "fast95"]])
def test_a_run_names_its_recipe(tmp_path, arguments):
    quick = ["--dataset", "embedded", "--width", "16", "--batch-size", "16", "--max-steps", "1", "--run-name", "first"]
    _run(tmp_path, *arguments, *quick)
    name = arguments[-1] if arguments else "fast94"
    for file in ("config.json", "result.json"):
        assert json.loads((tmp_path / "first" / file).read_text())["recipe"] == name


def test_another_model_has_no_recipe(tmp_path):
    _run(tmp_path, *QUICK, "--run-name", "first")
    assert json.loads((tmp_path / "first" / "result.json").read_text())["recipe"] is None


def test_help_shows_the_models_own_defaults(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--model", "linear", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "--learning-rate" in out
    assert "0.003" in out


def test_as_a_command_without_a_network(tmp_path):
    """The whole way: a process of its own, no CIFAR-10, a mirror that nobody answers."""
    environment = os.environ | {
        "MANUALNET_DATA_URL": "http://127.0.0.1:9/cifar-10-python.tar.gz",
        "MANUALNET_CACHE": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-m", "experiments.cifar", *QUICK[2:], "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "training on the embedded data set" in done.stdout
    assert len(list((tmp_path / "runs").glob("linear-manual-seed0-*/result.json"))) == 1
    assert "Traceback" not in done.stderr


class Stopped(Exception):
    """In place of a kill."""


RESUMED = "--dataset embedded --model mlp --width 16 --epochs 3 --dropout 0.2 --skip 0.3".split()


def _stopped(tmp_path, monkeypatch, at: int, *arguments):
    """A run called ``it`` that ends in the middle of step ``at``."""
    step = Trainer.step

    def stops(trainer, images, labels):
        if trainer.step_count == at:
            raise Stopped
        return step(trainer, images, labels)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stops)
        with pytest.raises(Stopped):
            _run(tmp_path, *arguments, "--run-name", "it")
    return tmp_path / "it"


@pytest.mark.parametrize("at", [2, 14])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, at):
    _run(tmp_path, *RESUMED, "--run-name", "whole")
    folder = _stopped(tmp_path, monkeypatch, at, *RESUMED)
    main(["--resume", str(folder)])
    whole, resumed = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "it"))
    assert resumed["resumed_after"] == ([] if at == 2 else [1])
    assert whole["resumed_after"] == []
    for key in ("steps", "val_accuracy", "test_accuracy", "test_accuracy_by_class"):
        assert resumed[key] == whole[key]
    first, second = (torch.load(tmp_path / name / "checkpoint.pt")["model"] for name in ("whole", "it"))
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_what_is_done_again_is_on_the_dashboard_once(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = _stopped(tmp_path, monkeypatch, 5, *RESUMED)
    main(["--resume", str(folder)])
    steps = [e.step for e in EventAccumulator(str(folder)).Reload().Scalars("training/loss")]
    assert steps == sorted(set(steps))


def test_what_cannot_go_on_is_told_in_a_line(tmp_path, monkeypatch, capsys):
    folder = _stopped(tmp_path, monkeypatch, 14, *RESUMED)

    def told(*arguments):
        return _refused(tmp_path, capsys, "--resume", *arguments)

    assert "none/config.json; give the folder of a run" in told(str(tmp_path / "none"))
    assert "error: --width is 16 in" in told(str(folder), "--width", "8")
    with results.held(folder / "config.json"):
        assert "it: this run is being trained by another process" in told(str(folder))
    saved = folder / "checkpoint.pt"
    whole = saved.read_bytes()
    for damaged in (b"no checkpoint", whole[:-100], _flipped(whole)):
        saved.write_bytes(damaged)
        assert "checkpoint.pt is damaged, or is not this run's: remove it, and --resume begins" in told(str(folder))
    other = torch.load(io.BytesIO(whole))
    other["model"]["1.weight"] = other["model"]["1.weight"][:, :-1].clone()
    for state in (other, [1], {"epoch": 1}):
        torch.save(state, saved)
        assert "is not this run's" in told(str(folder))
    (folder / "config.json").write_text("[]")
    assert "config.json holds no settings" in told(str(folder))
    (folder / "result.json").write_text("{}")
    assert "this run has ended" in told(str(folder))


def _flipped(whole):
    """With one bit turned within the numbers, which are most of it."""
    at = len(whole) // 2
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def test_where_nothing_can_be_written_the_last_checkpoint_stays(tmp_path, monkeypatch, capsys):
    folder = _stopped(tmp_path, monkeypatch, 14, *RESUMED)
    before = (folder / "checkpoint.pt").read_bytes()

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        told = _refused(tmp_path, capsys, "--resume", str(folder))
    assert "No space left on device; once that is mended, --resume" in told
    assert (folder / "checkpoint.pt").read_bytes() == before


def test_an_interruption_says_how_it_goes_on(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "step", interrupted)
    with pytest.raises(SystemExit) as ended:
        _run(tmp_path, *QUICK, "--run-name", "it")
    assert ended.value.code == 130
    assert f"stopped; --resume {tmp_path / 'it'} goes on" in capsys.readouterr().err


def test_where_nobody_reads_training_goes_on(tmp_path):
    command = [sys.executable, "-m", "experiments.cifar", *QUICK, "--runs-dir", str(tmp_path), "--run-name", "unheard"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 0, told
    assert "Traceback" not in told
    assert (tmp_path / "unheard" / "result.json").exists()

"""Train several settings over several seeds, in turns, and compare them: ``python -m experiments.race --help``."""

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.training import checkpoint, recipes, results
from experiments.training.config import check
from experiments.training.errors import UsageError, reported

ABOUT = """Train several settings over several seeds, in turns, each run a process of its own, and compare them.

The settings are options of experiments.cifar, one from the next parted by the word vs:

  python -m experiments.race --seeds 10 3 -- --recipe fast94 vs --recipe airbench94 --gradients automatic

Accuracy is that on the test set (with --no-test on the validation set), mean ± standard deviation, and the mean less
its standard error. Seconds count normalising the pictures, training (augmentation and whitening included) and the test;
the ratio is that of the mean seconds to those of the last setting. Let nothing else run meanwhile."""


@dataclass
class Runner:
    """One setting, how many seeds of it to run, and what the runs gave."""

    options: list[str]
    seeds: int
    results: list[dict] = field(default_factory=list)

    @property
    def name(self) -> str:
        return " ".join(self.options)

    def run(self, seed: int, folder: Path) -> None:
        """Train and test with this seed; a run of the same name is taken as it is, or goes on if it was stopped."""
        run_name = "-".join(word.strip("-").replace("/", "_") for word in [*self.options, f"seed{seed}"])
        path = folder / run_name / "result.json"
        if not path.exists():
            command = [sys.executable, "-m", "experiments.cifar", *self.options]
            command += ["--seed", str(seed), "--runs-dir", str(folder), "--run-name", run_name]
            if (path.parent / checkpoint.FILE).exists():
                command += ["--resume", str(path.parent)]
            else:
                shutil.rmtree(path.parent, ignore_errors=True)  # stopped before its first epoch ended
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                told = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
                raise UsageError(f"{self.name} with seed {seed}: {told[-1].removeprefix('error: ')}")
        self.results.append(json.loads(path.read_text(encoding="utf-8")))

    @property
    def accuracies(self) -> list[float]:
        """In percent: on the test set, or without one on the validation set."""
        return [100 * (r["val_accuracy"] if r["test_accuracy"] is None else r["test_accuracy"]) for r in self.results]

    @property
    def seconds(self) -> list[float]:
        return [r["normalise_seconds"] + r["train_seconds"] + (r["test_seconds"] or 0.0) for r in self.results]

    def record(self) -> dict:
        mean, deviation = _spread(self.accuracies)
        seconds, seconds_deviation = _spread(self.seconds)
        return {
            "options": self.name,
            "runs": len(self.results),
            "accuracy": mean,
            "accuracy_deviation": deviation,
            "accuracy_less_standard_error": None
            if deviation is None
            else mean - deviation / math.sqrt(len(self.results)),
            "seconds": seconds,
            "seconds_deviation": seconds_deviation,
            "accuracies": self.accuracies,
            "seconds_of_runs": self.seconds,
        }


def _spread(values: list[float]) -> tuple[float, float | None]:
    """Mean and standard deviation, which a single value has none of."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


def order(runners: list[Runner]) -> Iterator[tuple[Runner, int]]:
    """Whose run with which seed is next: every setting's runs spread over the whole time.

    >>> [(r.name, seed) for r, seed in order([Runner(["a"], 3), Runner(["b"], 1)])]
    [('a', 0), ('a', 1), ('b', 0), ('a', 2)]
    """
    runs = [((seed + 0.5) / r.seeds, i, seed) for i, r in enumerate(runners) for seed in range(r.seeds)]
    for _, i, seed in sorted(runs):
        yield runners[i], seed


def parse(arguments: list[str]) -> tuple[list[Runner], Path]:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.race", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    runs_dir = Path("runs", "race")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3], help="of each setting, from 0 on (one for all: 3)")
    parser.add_argument("--runs-dir", type=Path, default=runs_dir, help="a run that is there is not repeated")
    parser.add_argument("settings", nargs=argparse.REMAINDER, help="options of experiments.cifar vs others vs …")
    given = parser.parse_args(arguments)
    words = given.settings[given.settings[:1] == ["--"] :]
    settings: list[list[str]] = [[]]
    for word in words:
        if word == "vs":
            settings.append([])
        else:
            settings[-1].append(word)
    if not all(settings):
        raise UsageError("no setting, or an empty one: give options of experiments.cifar after --, parted by vs")
    seeds = given.seeds * len(settings) if len(given.seeds) == 1 else given.seeds
    if len(seeds) != len(settings) or min(seeds) < 1:
        came = " ".join(map(str, given.seeds))
        raise UsageError(f"--seeds must be 1 or {len(settings)} numbers above 0, and is {came}")
    for options in settings:
        _validate(options)
    return [Runner(options, n) for options, n in zip(settings, seeds, strict=True)], given.runs_dir


def _validate(options: list[str]) -> None:
    """A setting's mistakes are told before anything is trained."""
    own = {"--seed", "--run-name", "--runs-dir", "--resume"}
    if given := sorted(own & {word.partition("=")[0] for word in options}):
        raise UsageError(f"{given[0]} is chosen for each run: leave it out, and give --seeds and --runs-dir before --")
    try:
        check(recipes.parse(options))
    except UsageError as error:
        raise UsageError(f"{' '.join(options)}: {error}") from None


def table(records: list[dict]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("setting", min_width=14)
    for name in ("runs", "accuracy, %", "mean − error", "seconds", "ratio"):
        shown.add_column(name, justify="right", min_width=max(map(len, name.split())))
    for r in records:
        shown.add_row(
            r["options"],
            str(r["runs"]),
            _told(r["accuracy"], 2, r["accuracy_deviation"]),
            _told(r["accuracy_less_standard_error"], 2),
            _told(r["seconds"], 1, r["seconds_deviation"]),
            f"{r['seconds'] / records[-1]['seconds']:.3f}",
        )
    return shown


def _told(value: float | None, digits: int, deviation: float | None = None) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def main(arguments: list[str] | None = None) -> None:
    console = Console()
    with reported():
        runners, folder = parse(sys.argv[1:] if arguments is None else arguments)
        for runner, seed in order(runners):
            runner.run(seed, folder)
            console.print(
                f"{runner.name}, seed {seed}: {runner.accuracies[-1]:.2f} %, {runner.seconds[-1]:.1f} s",
                highlight=False,
                soft_wrap=True,
            )
        records = [runner.record() for runner in runners]
        results.write_json(folder / "race.json", {"settings": records})
        console.print(table(records))


if __name__ == "__main__":
    main()

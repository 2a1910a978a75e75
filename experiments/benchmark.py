"""Measure hand-written gradients against PyTorch's own: ``python -m experiments.benchmark --help``."""

# ruff: noqa: E402
from experiments.training import allocator

# Before torch starts: it reads the allocator's settings once.
TAMED = allocator.tame()

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import torch
import tyro
from matplotlib.figure import Figure
from rich.console import Console, RenderableType
from tqdm import tqdm

from experiments.bench import calls, functions, goals, growth, models, plot, recorded, settings, table
from experiments.bench.peak import matmul_peak
from experiments.bench.timing import Effort
from experiments.lessons.figures import files
from experiments.lessons.figures.style import styled
from experiments.training import recipes, results
from experiments.training.config import Config
from experiments.training.device import fast_products, pick_precision
from experiments.training.errors import UsageError, reported
from experiments.training.models import MODELS
from manualnet import native
from manualnet.specs import SPECS

SECTIONS = ("functions", "settings", "calls", "models", "growth")


@dataclasses.dataclass
class Options:
    """Time hand-written gradients against the same thing differentiated by PyTorch, in turns, in one process.

    Five sections: every function over sizes and number types; functions on other layouts and with other settings; the
    calls that the four models make; a whole training step of each model; and how a step's cost grows. Ends with 0
    whatever comes out, unless --check is given.
    """

    only: list[str] = dataclasses.field(default_factory=list)
    """Sections, functions or models, such as: models, relu gelu, convnet (linear is both). --list prints them."""
    quick: bool = False
    """Fewer sizes and rounds, smaller batches: under two minutes, for a first impression."""
    dtypes: list[Literal["float64", "float32", "bfloat16"]] = dataclasses.field(default_factory=list)
    """Number types of the functions; float32 if left out, and bfloat16 where the processor computes in it."""
    precision: Literal["auto", "float64", "float32", "bfloat16"] = "auto"
    """Number type of the models, as in experiments.cifar."""
    threads: int | None = None
    """Processor threads; PyTorch's default if left out."""
    clock: Literal["wall", "cpu"] = "wall"
    """cpu: count only while this process computes, for a machine that others use too. Needs --threads 1."""
    seconds: float | None = None
    """How long to measure a pair; its fewest rounds may take longer."""
    check: bool = False
    """End with 1 if a goal is missed."""
    output: Path = Path("runs", "benchmark")
    """Where benchmark.json and the figures are written."""
    list: bool = False
    """Print what --only can name, and measure nothing."""


def check(options: Options) -> None:
    """Refuse what makes no sense, before anything is measured."""
    known = {*SECTIONS, *SPECS, *MODELS}
    if unknown := [name for name in options.only if name not in known]:
        raise UsageError(f"--only {' '.join(unknown)}: there is no such section, function or model; --list prints them")
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads must be at least 1, and is {options.threads}")
    if options.clock == "cpu" and options.threads != 1:
        raise UsageError("--clock cpu adds up what all threads compute, which is no duration: give --threads 1 too")
    if options.seconds is not None and not 0 <= options.seconds < float("inf"):
        raise UsageError(f"--seconds must be a number of seconds, and is {options.seconds}")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{options.output} cannot be made ({error.strerror}): give another --output") from error


def chosen(section: str, names: Iterable[str], only: Sequence[str], by_name: bool = True) -> list[str]:
    """Which of a section's names to measure: all, if the section is named or nothing is, or those that are named."""
    return [name for name in names if not only or section in only or (by_name and name in only)]


def effort(options: Options) -> Effort:
    few = Effort(0.05, least=3, most=60, warmup=1)
    work = few if options.quick else Effort(0.3, least=7, most=300, warmup=2)
    seconds = work.seconds if options.seconds is None else options.seconds
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[options.clock]
    return dataclasses.replace(work, seconds=seconds, clock=clock)


def setting(model: str, quick: bool) -> Config:
    """What the model is trained with."""
    config = recipes.recipe(model)
    return dataclasses.replace(config, batch_size=config.batch_size // 4) if quick and model == "convnet" else config


@dataclasses.dataclass
class Measured:
    """What the sections gave; empty where they were not asked for."""

    functions: list[calls.Measured]
    settings: list[calls.Measured]
    calls: list[calls.Measured]
    models: list[models.Measured]
    growth: list[growth.Growth]
    peak: float  # floating-point operations a second, in the models' number type

    @property
    def goals(self) -> list[goals.Goal]:
        return [
            *goals.of_functions([*self.functions, *self.settings]),
            *goals.of_calls(self.calls),
            *goals.of_models(self.models),
        ]

    def record(self) -> dict:
        """As JSON has it."""
        return {
            "matmul_peak": self.peak,
            "functions": [m.record() for m in self.functions],
            "settings": [m.record() for m in self.settings],
            "calls": [m.record() for m in self.calls],
            "models": [m.record(self.peak) for m in self.models],
            "growth": [g.record(self.peak) for g in self.growth],
            "goals": [g.record() for g in self.goals],
        }

    def figures(self) -> dict[str, Figure]:
        drawn = {"functions": plot.functions, "models": plot.steps, "growth": plot.growth}
        measured = {name: getattr(self, name) for name in drawn}
        with styled():
            return {name: draw(measured[name]) for name, draw in drawn.items() if measured[name]}  # type: ignore[operator]


def measure(options: Options, precision: str, show: Callable[..., None]) -> Measured:
    """Section by section; each is shown when it is done."""
    work, only = effort(options), options.only
    sizes = functions.SIZES[::2] if options.quick else functions.SIZES
    result = Measured([], [], [], [], [], matmul_peak(getattr(torch, precision), clock=work.clock))
    dtypes = dict.fromkeys(options.dtypes or ("float32", pick_precision("auto", models.CPU)))
    for dtype, name in _progress(product(dtypes, chosen("functions", SPECS, only)), "functions"):
        result.functions += [calls.measure(c, work) for c in functions.calls(name, getattr(torch, dtype), sizes)]
    if result.functions:
        show(*table.functions(result.functions))
    named = dict.fromkeys(function for function, *_ in (*settings.SETTINGS, *settings.SUMMED))
    for dtype, name in _progress(product(dtypes, chosen("settings", named, only)), "settings"):
        result.settings += [calls.measure(c, work) for c in settings.calls(name, getattr(torch, dtype))]
    if result.settings:
        show(table.of_settings(result.settings))
    for name in _progress(chosen("calls", MODELS, only, by_name=False), "calls"):
        found = recorded.calls(setting(name, options.quick), precision)
        with fast_products(models.CPU):
            result.calls += [calls.measure(call, work) for call in found]
    if result.calls:
        show(table.of_models(result.calls, precision))
    for name in _progress(chosen("models", MODELS, only), "models"):
        result.models.append(models.measure(setting(name, options.quick), precision, work))
    if result.models:
        show(*table.steps(result.models, result.peak))
    for name in _progress(chosen("growth", growth.AXES, only, by_name=False), "growth"):
        result.growth += growth.measure(setting(name, options.quick), precision, work)
    if result.growth:
        show(table.growth(result.growth))
    return result


def _progress(work: Iterable, name: str) -> Iterable:
    # tqdm's monitor is a thread that would wake during what is measured.
    tqdm.monitor_interval = 0
    return tqdm(list(work), desc=name, leave=False, disable=None)


def run(options: Options, console: Console) -> int:
    if options.list:
        for title, names in (("sections", SECTIONS), ("functions", SPECS), ("models", MODELS)):
            console.print(f"{title}: {' '.join(names)}", highlight=False)
        return 0
    check(options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    precision = pick_precision(options.precision, models.CPU)
    machine = results.machine(models.CPU) | {"cores": os.cpu_count(), "load": _load(), "allocator_tamed": TAMED}
    machine["compiled"] = native.available()
    console.print(_heading(machine), highlight=False)

    def show(*tables: RenderableType) -> None:
        for one in tables:
            console.print()
            console.print(one)

    measured = measure(options, precision, show)
    if measured.goals:
        show(table.goals(measured.goals))
    asked = dataclasses.asdict(options) | {"output": None, "precision_used": precision}
    record = {"versions": results.versions(), "machine": machine, "options": asked, **measured.record()}
    results.write_json(options.output / "benchmark.json", record)
    for name, figure in measured.figures().items():
        files.save(figure, options.output / f"{name}.svg")
    console.print(f"\nAll of it, with quartiles, and the figures: {options.output}", highlight=False, soft_wrap=True)
    return 1 if options.check and not all(goal.holds for goal in measured.goals) else 0


def _load() -> float | None:
    """How many processes wanted to run in the last minute, where the system tells."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _heading(machine: dict) -> str:
    threads, cores, load = machine["threads"], machine["cores"], machine["load"]
    lines = [
        f"manual and automatic gradients in turns, {threads} thread{'s' * (threads != 1)}, torch {torch.__version__}, "
        f"large formulas {'compiled' if machine['compiled'] else 'not compiled (no C compiler, or switched off)'}"
    ]
    if load is not None and load > cores / 2:
        lines.append(f"The machine is busy (load {load} on {cores} cores): do not trust what comes out.")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    options = tyro.cli(Options, args=arguments, prog="python -m experiments.benchmark")
    with reported():
        sys.exit(run(options, Console()))


if __name__ == "__main__":
    main()

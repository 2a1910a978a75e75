"""Mutation testing of manualnet's functions: ``python -m experiments.mutation --help``."""

import os

# Before torch starts: a process with several threads cannot be forked, and a compiler's cache could answer for a mutant
# with what it made of the source as it is.
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
    "TORCHINDUCTOR_AUTOGRAD_CACHE": "0",
}

import dataclasses
import hashlib
import json
import sys
import time
from pathlib import Path

import tyro
from tqdm import tqdm

from experiments.mutate import ledger
from experiments.mutate.concerns import ROOT, concerned, files
from experiments.mutate.examine import FailsAnyway, examine
from experiments.mutate.mutants import Mutant, find
from experiments.mutate.proof import TESTS, Proof, preload


@dataclasses.dataclass
class Options:
    """Plant single faults in manualnet/functional, run the proof on each, and list those that nothing notices.

    Ends with 1 if a fault survives that is not known to change nothing, with 2 if it cannot be told.
    """

    only: list[str] = dataclasses.field(default_factory=list)
    """Only the files of these functions, folders or file names: sigmoid, losses, _shapes."""
    sample: int | None = None
    """Only this many mutants, drawn at random."""
    seed: int = 0
    """Of the draw."""
    list: bool = False
    """Print the mutants and test nothing."""
    jobs: int = os.cpu_count() or 1
    """Mutants at a time."""
    timeout: float = 600.0
    """Seconds of work after which a mutant counts as caught, because the proof hangs."""
    resume: bool = False
    """Go on where a run was stopped. What survived in it is tried again."""
    equivalents: bool = False
    """Only the mutants that are known to change nothing: each must survive."""
    ledger: Path = Path("runs", "mutation.jsonl")
    """Where every verdict is written as it comes."""
    json: Path | None = None
    """Where to write the figures and the survivors."""


def chosen(options: Options) -> list[Mutant]:
    """The mutants to put to the proof, in order of file and line."""
    mutants = [m for file in files() if not options.only or _named(file, options.only) for m in find(ROOT, file)]
    if not mutants:
        sys.exit(f"error: no function, folder or file of manualnet/functional is named {', '.join(options.only)}")
    if options.equivalents:
        known = ledger.equivalent()
        mutants = [m for m in mutants if m.key in known]
    if options.sample is not None:
        # By their text, so that the draw stays the same when something else is edited.
        drawn = sorted(mutants, key=lambda m: hashlib.sha256(f"{options.seed} {m.key}".encode()).digest())
        mutants = [m for m in mutants if m in drawn[: options.sample]]
    return mutants


def _named(file: str, names: list[str]) -> bool:
    path = Path(file)
    own = {*path.parts, path.stem, *(concerned(file) if len(concerned(file)) == 1 else ())}
    return not own.isdisjoint(names)


def run(options: Options) -> int:
    mutants = chosen(options)
    if options.list:
        print(*mutants, sep="\n")
        return 0
    book = ledger.Ledger(options.ledger, options.resume)
    known = {} if options.equivalents else ledger.equivalent()
    equivalents = {m: known[m.key] for m in mutants if m.key in known}
    caught = {m: book.caught[m.key] for m in mutants if m.key in book.caught and m not in equivalents}
    todo = [m for m in mutants if m not in equivalents and m not in caught]
    survivors: list[Mutant] = []
    preload()
    start = time.monotonic()
    tqdm.monitor_interval = 0  # its thread would be in the way of forking
    bar = tqdm(total=len(mutants), initial=len(mutants) - len(todo), unit="mutant", disable=None)
    stopped = False
    try:
        for verdict in examine(todo, Proof(), options.jobs, options.timeout, caught.items()):
            book.write(verdict)
            if verdict.catch:
                caught[verdict.mutant] = verdict.catch
            else:
                survivors.append(verdict.mutant)
                bar.write(f"survived: {verdict.mutant}")
            bar.update()
    except KeyboardInterrupt:
        stopped = True
    finally:
        bar.close()
    figures = ledger.summary(caught, equivalents, survivors, time.monotonic() - start)
    if options.json and not stopped:
        options.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(_told(figures))
    if stopped:
        print(f"stopped with {len(mutants) - figures['mutants']} to go; --resume goes on")
        return 130
    if options.equivalents:
        print(*(f"not equivalent: {m} ({catch})" for m, catch in caught.items()), sep="\n")
        return 1 if caught else 0
    return 1 if survivors else 0


def _told(figures: dict) -> str:
    stages = ", ".join(f"{n} by {stage}" for stage, n in figures["caught_by"].items())
    return (
        f"{figures['mutants']} mutants: {figures['caught']} caught ({figures['caught_percent']} %: {stages}), "
        f"{figures['equivalent']} equivalent ({figures['equivalent_percent']} %), "
        f"{figures['survived']} survived, {figures['seconds']} s"
    )


def main(arguments: list[str] | None = None) -> None:
    options = tyro.cli(Options, args=arguments, prog="python -m experiments.mutation")
    if not hasattr(os, "fork"):
        sys.exit("error: this needs os.fork, which Windows lacks; run it on Linux or macOS")
    if not (ROOT / TESTS[0]).exists():
        sys.exit(f"error: the tests are not beside {ROOT / 'experiments'}; run this from a clone of the repository")
    options.ledger = options.ledger.resolve()
    options.json = options.json and options.json.resolve()
    os.chdir(ROOT)  # the tests are named from there
    try:
        sys.exit(run(options))
    except FailsAnyway as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""What is known of mutants: verdicts, written line by line as they come, and those known to be equivalent."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from experiments.mutate.examine import Verdict
from experiments.mutate.mutants import Mutant
from experiments.mutate.proof import Catch

EQUIVALENT = Path(__file__).with_name("equivalent.json")
Key = tuple[str, str, str, str]


def equivalent(path: Path = EQUIVALENT) -> dict[Key, str]:
    """The mutants that change no behaviour, and why."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {(e["file"], e["function"], e["before"], e["after"]): e["reason"] for e in entries}


class Ledger:
    """A file with one verdict a line; a run that was stopped goes on from it."""

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = path
        self.caught: dict[Key, Catch] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume and path.exists():
            self._read()
        elif not resume:
            path.write_text("", encoding="utf-8")

    def _read(self) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):  # stopped while writing
            self.path.write_text("".join(lines[:-1]), encoding="utf-8")
            lines.pop()
        for line in lines:
            entry = json.loads(line)
            key = (entry["file"], entry["function"], entry["before"], entry["after"])
            if entry["stage"]:
                self.caught[key] = Catch(entry["stage"], entry["check"])
            else:
                self.caught.pop(key, None)

    def write(self, verdict: Verdict) -> None:
        catch = verdict.catch or Catch("", "")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_entry(verdict.mutant) | asdict(catch) | {"seconds": verdict.seconds}) + "\n")


def _entry(mutant: Mutant) -> dict:
    return {k: v for k, v in asdict(mutant).items() if k not in ("number", "column", "source")}


def summary(
    caught: dict[Mutant, Catch], equivalents: dict[Mutant, str], survivors: Sequence[Mutant], seconds: float
) -> dict:
    """The figures, as they are kept in ``docs/results``."""
    every = [*caught, *equivalents, *survivors]

    def counts(names: Iterable[str]) -> dict[str, int]:
        return dict(sorted(Counter(names).items()))

    return {
        "mutants": len(every),
        "caught": len(caught),
        "equivalent": len(equivalents),
        "survived": len(survivors),
        "caught_percent": _percent(len(caught), len(every)),
        "equivalent_percent": _percent(len(equivalents), len(every)),
        "caught_by": counts(catch.stage for catch in caught.values()),
        "caught_by_property": counts(c.check.split(": ")[1] for c in caught.values() if c.stage == "engine"),
        "operators": counts(m.operator for m in every),
        "files": counts(m.file for m in every),
        "seconds": round(seconds),
        "survivors": [str(m) for m in survivors],
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0

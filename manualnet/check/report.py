"""What a check found: one result a property, and what to do about those that failed."""

import builtins
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

Status = Literal["passed", "failed", "does not apply"]


@dataclass(frozen=True)
class Result:
    """What was found of one property.

    ``error`` is the largest error met (absolute, beside ``bound``, the largest allowed there), ``where`` the sample,
    input and index at which it was met. ``wrong`` and ``mend`` are a sentence each: of what failed, and of how to mend
    it; ``why`` says why a property does not apply, or what else was measured.
    """

    property: str
    status: Status
    error: float | None = None
    bound: float | None = None
    where: str = ""
    wrong: str = ""
    mend: str = ""
    why: str = ""
    seconds: float = 0.0

    @builtins.property
    def passed(self) -> bool:
        return self.status == "passed"

    @builtins.property
    def failed(self) -> bool:
        return self.status == "failed"


@dataclass(frozen=True)
class Report:
    """Results of one function, in the order in which the properties were checked."""

    name: str
    results: tuple[Result, ...]
    notes: tuple[str, ...] = field(default=())

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __getitem__(self, name: str) -> Result:
        for result in self.results:
            if result.property == name:
                return result
        known = ", ".join(r.property for r in self.results)
        raise KeyError(f"{name!r} was not checked; checked were: {known}")

    @property
    def failures(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.failed)

    @property
    def passed(self) -> bool:
        """Whether no property failed."""
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raise an AssertionError that names every property that failed, what is wrong and how to mend it."""
        if self.failures:
            lines = [f"{r.property}: {r.wrong}\n    {r.mend}" for r in self.failures]
            raise AssertionError(
                "\n".join([f"{self.name} fails {len(lines)} of {len(self.results)} properties", *lines])
            )

    def as_dict(self) -> dict:
        return {
            "name": self.name,
            "passed": self.passed,
            "notes": list(self.notes),
            "results": [asdict(r) for r in self],
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        from manualnet.check.table import render_report

        return render_report(self)

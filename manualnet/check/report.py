"""What a check found: one result a property, and what to do about those that failed."""

import builtins
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

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

    @builtins.property
    def causes(self) -> list[list[Result]]:
        """The failures, those together that say the same is wrong."""
        found: dict[str, list[Result]] = {}
        for result in self.failures:
            found.setdefault(result.wrong, []).append(result)
        return list(found.values())

    def raise_for_failures(self) -> None:
        """Raise an AssertionError that names every property that failed, what is wrong and how to mend it."""
        __tracebackhide__ = True  # pytest then shows the line of the test, not this one
        if self.failures:
            lines = [f"{self.name} fails {len(self.failures)} of {len(self.results)} properties"]
            for results in self.causes:
                lines.append(f"{', '.join(r.property for r in results)}: {results[0].wrong}")
                lines += [f"    {mend}" for mend in dict.fromkeys(r.mend for r in results)]
            raise AssertionError("\n".join(lines))

    def as_dict(self) -> dict:
        """The report as JSON can hold it: an error that is infinite or no number becomes None."""
        return {
            "name": self.name,
            "passed": self.passed,
            "notes": list(self.notes),
            "results": [{k: _jsonable(v) for k, v in asdict(r).items()} for r in self],
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        from manualnet.check.table import render_report

        return render_report(self)


def _jsonable(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

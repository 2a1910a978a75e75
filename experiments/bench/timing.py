"""Two ways of doing the same, timed in turns: whatever slows the machine for a while slows both."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Side = Callable[[], Iterator[str]]  # does its work phase by phase, and yields a phase's name when it is done
Lap = dict[str, float]  # seconds a phase


class Spread(NamedTuple):
    """The median of some numbers, and the quartiles around it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """
        >>> Spread.of([5.0, 1.0, 2.0, 4.0, 3.0])
        Spread(low=2.0, median=3.0, high=4.0)
        >>> Spread.of([7.0])
        Spread(low=7.0, median=7.0, high=7.0)
        """
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


@dataclass(frozen=True)
class Race:
    """The laps of the manual gradients and of their twin, one pair a round."""

    manual: list[Lap]
    twin: list[Lap]

    @property
    def phases(self) -> list[str]:
        return list(self.manual[0])

    def seconds(self, side: str, phase: str | None = None) -> Spread:
        """Of ``"manual"`` or ``"twin"``: of one phase, or of a whole lap."""
        return Spread.of([_of(lap, phase) for lap in getattr(self, side)])

    def ratio(self, phase: str | None = None) -> Spread:
        """manual / twin of each round. Unlike the ratio of two medians, it does not see a machine that slows down."""
        return Spread.of([m / t for m, t in self._rounds(phase)])

    def over(self, phase: str | None = None) -> Spread:
        """manual − twin of each round, in seconds."""
        return Spread.of([m - t for m, t in self._rounds(phase)])

    def _rounds(self, phase: str | None) -> list[tuple[float, float]]:
        return [(_of(m, phase), _of(t, phase)) for m, t in zip(self.manual, self.twin, strict=True)]

    def record(self) -> dict:
        """As JSON has it: low, median and high of every phase and of the total."""
        named: dict[str, str | None] = {phase: phase for phase in self.phases} | {"total": None}
        return {
            "rounds": len(self.manual),
            "manual": {name: self.seconds("manual", phase)._asdict() for name, phase in named.items()},
            "twin": {name: self.seconds("twin", phase)._asdict() for name, phase in named.items()},
            "ratio": {name: self.ratio(phase)._asdict() for name, phase in named.items()},
            "over": {name: self.over(phase)._asdict() for name, phase in named.items()},
        }


def _of(lap: Lap, phase: str | None) -> float:
    return sum(lap.values()) if phase is None else lap[phase]


@dataclass(frozen=True)
class Effort:
    """How long to measure: for some seconds, but no fewer and no more rounds than given; and by which clock."""

    seconds: float
    least: int
    most: int
    warmup: int
    clock: Callable[[], float] = time.perf_counter


def race(manual: Side, twin: Side, effort: Effort) -> Race:
    """Manual, twin, manual, twin, …: first rounds that do not count, then rounds that do."""
    clock, collecting = effort.clock, gc.isenabled()
    gc.disable()
    try:
        for _ in range(effort.warmup):
            _lap(manual, clock)
            _lap(twin, clock)
        result = Race([], [])
        end = clock() + effort.seconds
        while len(result.manual) < effort.least or (len(result.manual) < effort.most and clock() < end):
            result.manual.append(_lap(manual, clock))
            result.twin.append(_lap(twin, clock))
        return result
    finally:
        if collecting:
            gc.enable()


def _lap(side: Side, clock: Callable[[], float]) -> Lap:
    """Only the phases are timed: what a side still holds is freed after the last of them."""
    lap: Lap = {}
    work = side()
    while True:
        start = clock()
        phase = next(work, None)
        if phase is None:
            return lap
        lap[phase] = clock() - start

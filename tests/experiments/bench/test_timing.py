"""Rounds, phases and ratios, by a clock that the tests wind."""

import gc
from collections.abc import Iterator

import pytest
import torch

from experiments.bench.peak import matmul_peak
from experiments.bench.timing import Effort, Race, Spread, race


class Clock:
    """Goes on only when it is told to."""

    def __init__(self):
        self.now, self.log = 0.0, []

    def __call__(self) -> float:
        return self.now

    def side(self, name, **phases):
        """A side whose phases take given seconds: a number, or one for each lap in turn."""
        laps = {phase: iter(s) if isinstance(s, list) else None for phase, s in phases.items()}

        def lap() -> Iterator[str]:
            self.log.append(name)
            for phase, seconds in phases.items():
                self.now += next(laps[phase]) if laps[phase] else seconds
                yield phase
            self.now += 1000.0  # what is freed afterwards is not timed

        return lap


def test_the_two_sides_take_turns_and_warm_up_first():
    clock = Clock()
    result = race(
        clock.side("A", step=[9.0, 1.0, 2.0]), clock.side("B", step=[9.0, 4.0, 2.0]), Effort(0, 2, 2, 1, clock)
    )
    assert clock.log == ["A", "B"] * 3
    assert result == Race([{"step": 1.0}, {"step": 2.0}], [{"step": 4.0}, {"step": 2.0}])


@pytest.mark.parametrize(
    ("seconds", "least", "most", "rounds"), [(0.0, 4, 9, 4), (1e9, 1, 6, 6), (4200.0, 1, 9, 3), (0.0, 1, 1, 1)]
)
def test_rounds_go_on_for_the_seconds_given(seconds, least, most, rounds):
    clock = Clock()
    sides = clock.side("A", step=1.0), clock.side("B", step=1.0)  # a round lasts 2002 s with what is freed
    assert len(race(*sides, Effort(seconds, least, most, 0, clock)).manual) == rounds


def test_phases_ratios_and_differences():
    clock = Clock()
    manual = clock.side("A", forward=[1.0, 2.0, 3.0], backward=[1.0, 2.0, 3.0])
    twin = clock.side("B", forward=[2.0, 2.0, 2.0], backward=[2.0, 6.0, 1.0])
    result = race(manual, twin, Effort(0, 3, 3, 0, clock))
    assert result.phases == ["forward", "backward"]
    assert result.seconds("manual") == Spread(3.0, 4.0, 5.0)
    assert result.seconds("twin", "backward") == Spread(1.5, 2.0, 4.0)
    # Of each round, 2/4, 4/8 and 6/3: the ratio of the medians would be 1.
    assert result.ratio() == Spread(0.5, 0.5, 1.25)
    assert result.ratio("forward").median == 1.0
    assert result.over() == Spread(-3.0, -2.0, 0.5)
    record = result.record()
    assert record["rounds"] == 3
    assert record["ratio"]["total"] == {"low": 0.5, "median": 0.5, "high": 1.25}
    assert record["over"]["backward"]["median"] == -1.0


def test_an_error_leaves_the_collector_as_it_was():
    def broken() -> Iterator[str]:
        assert not gc.isenabled()
        raise ZeroDivisionError
        yield "step"

    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        race(broken, broken, Effort(0.0, least=1, most=1, warmup=0))
    assert gc.isenabled()


def test_matmul_peak_is_that_of_the_fastest_product():
    times = iter([0.0, 0.0, 4.0, 1.0, 2.0, 3.0, 2.0, 2.5, 3.0, 5.0])  # begin; two a product, and whether to go on
    assert matmul_peak(torch.float32, 16, seconds=3.0, clock=lambda: next(times)) == 2 * 16**3 / 0.5

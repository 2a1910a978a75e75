"""What the hand-written gradients are to reach, beside what was measured."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from experiments.bench import calls, models
from experiments.bench.functions import MIB

LARGE = 4 * MIB  # from here on a ratio counts; below, what a call costs more than its twin's
TRANSCENDENTAL = frozenset("elu gelu log_softmax sigmoid softmax tanh".split())
RATIO, TRANSCENDENTAL_RATIO, OVERHEAD = 1.1, 1.3, 25e-6
STEP, MEMORY = 1.0, 0.5


@dataclass(frozen=True)
class Goal:
    """One number and the most that it may be."""

    name: str
    measured: float
    limit: float
    unit: str  # "×" of the twin's, or "s"
    detail: str = ""

    @property
    def holds(self) -> bool:
        return self.measured <= self.limit

    def record(self) -> dict:
        return asdict(self) | {"holds": self.holds}


def limit(function: str) -> float:
    """The ratio that a function may have on large inputs."""
    return TRANSCENDENTAL_RATIO if function in TRANSCENDENTAL else RATIO


def misses(measured: calls.Measured) -> bool:
    """Whether a function's call exceeds what is allowed at its size."""
    if measured.call.bytes < LARGE:
        return measured.race.over().median > OVERHEAD
    return measured.race.ratio().median > limit(measured.call.function)


def of_functions(measured: Sequence[calls.Measured]) -> list[Goal]:
    """The worst of each kind."""
    large = [m for m in measured if m.call.bytes >= LARGE]
    kinds = {
        "exp and tanh, from 4 MiB on": [m for m in large if m.call.function in TRANSCENDENTAL],
        "other functions, from 4 MiB on": [m for m in large if m.call.function not in TRANSCENDENTAL],
    }
    goals = [
        _worst(name, group, lambda m: m.race.ratio().median, limit(group[0].call.function), "×")
        for name, group in kinds.items()
        if group
    ]
    if small := [m for m in measured if m.call.bytes < LARGE]:
        goals.append(_worst("a call below 4 MiB, over the twin", small, lambda m: m.race.over().median, OVERHEAD, "s"))
    return goals


def _worst(
    name: str, group: list[calls.Measured], value: Callable[[calls.Measured], float], limit: float, unit: str
) -> Goal:
    worst = max(group, key=value)
    missed = sum(value(m) > limit for m in group)
    call = worst.call
    where = f"{call.function} {call.label} {call.dtype}".replace("  ", " ")
    return Goal(name, value(worst), limit, unit, f"{missed} of {len(group)} above, most {where}")


def of_calls(measured: Sequence[calls.Measured]) -> list[Goal]:
    """The geometric mean over the calls that the models make."""
    if not measured:
        return []
    mean = statistics.geometric_mean(m.race.ratio().median for m in measured)
    names = len({m.call.function for m in measured})
    return [
        Goal(
            "geometric mean of the models' calls",
            mean,
            1.0,
            "×",
            f"{len(measured)} calls of {names} function{'s' * (names != 1)}",
        )
    ]


def of_models(measured: Sequence[models.Measured]) -> list[Goal]:
    """Step by step, and the memory of convnet's."""
    goals = []
    for m in measured:
        model, ratio = m.config.model, m.race.ratio()
        most = 0.95 if (model, m.precision) == ("convnet", "bfloat16") else STEP
        detail = f"quartiles {ratio.low:.2f}–{ratio.high:.2f}"
        goals.append(Goal(f"step of {model}, {m.precision}", ratio.median, most, "×", detail))
        if model == "convnet":
            goals.append(Goal("peak memory of convnet's step", m.memory_ratio, MEMORY, "×", "live tensors"))
    return goals

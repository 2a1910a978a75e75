"""How the cost of a step grows with batch size, width and depth: each doubled, and doubled again."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from experiments.bench import models
from experiments.bench.timing import Effort
from experiments.training.config import Config

AXES = {"mlp": ("batch_size", "width", "depth"), "convnet": ("batch_size", "width")}


@dataclass(frozen=True)
class Growth:
    """One setting of a model, its values, and a step at each of them."""

    model: str
    axis: str
    steps: list[models.Measured]

    @property
    def values(self) -> list[int]:
        return [getattr(step.config, self.axis) for step in self.steps]

    def seconds(self, side: str) -> list[float]:
        return [step.race.seconds(side).median for step in self.steps]

    def live(self, side: str) -> list[int]:
        return [getattr(step, side).live for step in self.steps]

    def record(self, peak: float) -> dict:
        return {"model": self.model, "axis": self.axis, "steps": [step.record(peak) for step in self.steps]}


def grown(config: Config, axis: str) -> list[Config]:
    """Three settings; batch size and width end at the model's own, the depth starts there.

    >>> from experiments.training.recipes import recipe
    >>> [c.depth for c in grown(recipe("mlp"), "depth")], [c.width for c in grown(recipe("mlp"), "width")]
    ([3, 6, 12], [256, 512, 1024])
    """
    small = dataclasses.replace(config, batch_size=max(2, config.batch_size // 4))
    start = getattr(small, axis) // (4 if axis == "width" else 1)
    return [dataclasses.replace(small, **{axis: start * times}) for times in (1, 2, 4)]


def measure(config: Config, precision: str, effort: Effort) -> Iterator[Growth]:
    """Every axis of the model; a setting that two axes share is measured once."""
    steps: dict[Config, models.Measured] = {}
    for axis in AXES[config.model]:
        settings = grown(config, axis)
        for setting in settings:
            if setting not in steps:
                steps[setting] = models.measure(setting, precision, effort)
        yield Growth(config.model, axis, [steps[setting] for setting in settings])

"""A whole training step of a model, manual gradients against the twin's: the step that the trainer makes."""

import dataclasses
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from experiments.bench.memory import LiveTensors, resident
from experiments.bench.timing import Effort, Race, Side, race
from experiments.training.config import Config
from experiments.training.device import storage_dtype
from experiments.training.errors import UsageError
from experiments.training.pictures import Pictures, scale_of
from experiments.training.train import Trainer

CPU = torch.device("cpu")


class Step:
    """One model with one kind of gradients, and a batch to train it on, again and again."""

    def __init__(self, config: Config, precision: str, gradients: Literal["manual", "automatic"]):
        self.trainer = Trainer(dataclasses.replace(config, gradients=gradients), CPU, precision)
        pictures = random_pictures(config.batch_size, precision)
        self.trainer.prepare(pictures)
        self.trainer.model.train()
        self.images, self.labels = next(pictures.epoch(0, config))

    def __call__(self) -> None:
        self.loss = self.trainer.step(self.images, self.labels)[0]

    def held(self) -> Iterator[Tensor]:
        """What is alive between two steps: batch, parameters, gradients, buffers, the optimizers' state."""
        model = self.trainer.model
        state = [optimizer.state for optimizer in self.trainer.optimizers]
        everything = [
            self.images,
            self.labels,
            *model.parameters(),
            *model.buffers(),
            *(p.grad for p in model.parameters()),
        ]
        for t in (*everything, *(leaf for s in state for entry in s.values() for leaf in pytree.tree_leaves(entry))):
            if isinstance(t, Tensor):
                yield t


def random_pictures(count: int, precision: str) -> Pictures:
    """Noise in the form of CIFAR-10: how long a step takes does not depend on what there is to see."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (count,), generator=generator)
    return Pictures(images, labels, scale_of(images), CPU, storage_dtype(precision))


@dataclass(frozen=True)
class Height:
    """Bytes at a step's height: of all live tensors, of those that were there before, and of the process's growth."""

    live: int
    before: int
    resident: int | None


@dataclass(frozen=True)
class Measured:
    """A model's step and what it took."""

    config: Config
    precision: str
    race: Race
    flops: int  # of the twin's step: both do the same work, whatever they compute again or skip
    manual: Height
    twin: Height

    def images_per_second(self, side: str) -> float:
        return self.config.batch_size / self.race.seconds(side).median

    def share_of(self, peak: float, side: str) -> float:
        """Of the machine's peak, in floating-point operations a second."""
        return self.flops / self.race.seconds(side).median / peak

    @property
    def memory_ratio(self) -> float:
        return self.manual.live / self.twin.live

    def record(self, peak: float) -> dict:
        """As JSON has it."""
        config = self.config
        return {
            "model": config.model,
            "precision": self.precision,
            "batch_size": config.batch_size,
            "width": config.width,
            "depth": config.depth,
            **self.race.record(),
            "flops": self.flops,
            "images_per_second": {side: self.images_per_second(side) for side in ("manual", "twin")},
            "share_of_peak": {side: self.share_of(peak, side) for side in ("manual", "twin")},
            "memory": {side: dataclasses.asdict(getattr(self, side)) for side in ("manual", "twin")},
        }


def measure(config: Config, precision: str, effort: Effort) -> Measured:
    """Race the two steps; then one more step of each to count, where it disturbs no clock."""
    gc.collect()  # what an earlier model left in cycles
    manual, twin = Step(config, precision, "manual"), Step(config, precision, "automatic")
    result = race(_side(manual), _side(twin), effort)
    with FlopCounterMode(display=False) as counter:
        twin()
    heights = _height(manual), _height(twin)
    for step in (manual, twin):
        if not step.loss.isfinite():
            raise UsageError(f"the loss of {config.model} is no longer finite, which may change how long a step takes")
    return Measured(config, precision, result, counter.get_total_flops(), *heights)


def _side(step: Step) -> Side:
    def lap() -> Iterator[str]:
        step()
        yield "step"

    return lap


def _height(step: Step) -> Height:
    with LiveTensors(step.held()) as live:
        step()
    return Height(live.peak, live.start, resident(step))

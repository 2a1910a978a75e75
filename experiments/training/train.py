"""The training loop."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

import manualnet
from experiments.training import augment, models, optimizers, plan
from experiments.training.config import Config
from experiments.training.device import autocast, fast_products, storage_dtype, weight_dtype
from experiments.training.errors import UsageError
from experiments.training.evaluate import scores
from experiments.training.objective import Objective
from experiments.training.pictures import Pictures

NAMESPACES = {"manual": manualnet, "automatic": manualnet.reference}


@dataclass(frozen=True)
class Progress:
    """What a step tells whoever watches."""

    step: int
    steps: int
    epoch: int
    loss: Tensor  # 0-d, on the device: reading it waits for the device
    penalty: Tensor | None
    right: Tensor  # number of the batch's pictures that were classified right
    examples: int
    learning_rate: float


class Trainer:
    """A network, what it minimises, and how it does so."""

    # The parts of what ``state_dict`` gives.
    STATE = frozenset("epoch step_count seconds resumed_after model optimizers losses random".split())

    def __init__(self, config: Config, device: torch.device, precision: str):
        self.config, self.device, self.precision = config, device, precision
        torch.manual_seed(config.seed)
        ns = NAMESPACES[config.gradients]
        self.model = models.build(ns, config).to(device, weight_dtype(precision))
        self.objective = Objective(ns, config)
        self.step_count = self.epoch = 0
        self.seconds = 0.0
        self.resumed_after: list[int] = []

    def prepare(self, pictures: Pictures) -> None:
        """What must see pictures before the first step: a whitening layer, what is known of each, the optimizers."""
        if isinstance(self.model, models.ConvNet):
            self.model.prepare(pictures.images[:5000])
        self.optimizers = optimizers.build(self.model, self.config, storage_dtype(self.precision))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
        self.losses = plan.Losses(len(pictures), self.device)

    def step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """One step of gradient descent: loss, penalty and scores before it."""
        with fast_products(self.device):
            with autocast(self.precision, self.device):
                out = self.model(images)
                loss = self.objective(out, labels)
                penalty = self.objective.penalty(self.model)
                total = self.objective.total(loss, penalty)
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            total.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        self.step_count += 1
        reported = None if penalty is None else penalty.detach() * self.config.penalty_strength
        return loss.detach(), reported, out.detach()

    def evaluate(self, pictures: Pictures, views: str | None = None) -> Tensor:
        with fast_products(self.device), autocast(self.precision, self.device):
            return scores(self.model, pictures, views or self.config.test_views)

    @torch.no_grad()
    def loss(self, scores: Tensor, labels: Tensor) -> float:
        return self.objective(scores, labels).item()

    def steps(self, pictures: int) -> int:
        """Steps of the whole run."""
        return len(plan.shares(self.config, pictures))

    def fit(
        self,
        pictures: Pictures,
        each_step: Callable[[Progress], None] = lambda progress: None,
        each_epoch: Callable[[int], None] = lambda epoch: None,
        state: dict | None = None,
    ) -> float:
        """Train to the end; the seconds that it took, without what ``each_epoch`` did.

        ``state`` is what :meth:`state_dict` gave after an epoch of a run that was stopped: training goes on from it.
        """
        config = self.config
        shares = plan.shares(config, len(pictures))
        total = len(shares)
        share = optimizers.schedule(config.schedule)
        started = time.perf_counter()
        self.prepare(pictures)
        self.model.train()
        self.seconds = time.perf_counter() - started
        if state is not None:
            self.load_state_dict(state)
        while self.step_count < total:
            started, epoch = time.perf_counter(), self.epoch
            hard = self.losses.largest(plan.kept(config, len(pictures))) if plan.skips(config, epoch) else None
            order = pictures.order(epoch, config, hard)
            for indices, (images, labels) in zip(order, pictures.epoch(epoch, config, order), strict=True):
                done = shares[self.step_count]
                # The rounding of a share must not take a step to the size before.
                side = config.resolutions[int(done * len(config.resolutions) + 1e-9)]
                self._set(done, share(done))
                loss, penalty, out = self.step(augment.resized(images, side), labels)
                if config.skip:
                    self.losses.note(indices, out, labels)
                right = (out.argmax(1) == labels).sum()
                rate = config.learning_rate * share(done)
                each_step(Progress(self.step_count, total, epoch, loss, penalty, right, len(labels), rate))
                if self.step_count >= total:
                    break
            synchronize(self.device)
            self.seconds += time.perf_counter() - started
            self.epoch += 1
            if not loss.isfinite():
                raise UsageError(f"the loss became {loss.item()} in epoch {self.epoch}: try a smaller --learning-rate")
            each_epoch(self.epoch)
        return self.seconds

    def state_dict(self) -> dict:
        """All that the epochs to come depend on, and the seconds so far."""
        return {
            "epoch": self.epoch,
            "step_count": self.step_count,
            "seconds": self.seconds,
            "resumed_after": self.resumed_after,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "losses": self.losses.values,
            "random": [get() for get, _ in _generators(self.device)],
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from there, bit by bit as if nothing had been in between."""
        self.epoch, self.step_count, self.seconds = state["epoch"], state["step_count"], state["seconds"]
        self.resumed_after = [*state["resumed_after"], self.epoch]
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.losses.values = state["losses"]
        for (_, put), saved in zip(_generators(self.device), state["random"], strict=True):
            put(saved.cpu())

    def _set(self, done: float, factor: float) -> None:
        """What depends on how far training has come."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
        if isinstance(self.model, models.ConvNet):
            self.model.progress(done)


def _generators(device: torch.device) -> Iterator[tuple[Callable[[], Tensor], Callable[[Tensor], None]]]:
    """Read and set what is random in layers: on the CPU, and on the device where that is another one."""
    yield torch.get_rng_state, torch.set_rng_state
    if device.type != "cpu":
        module = torch.get_device_module(device)
        yield module.get_rng_state, module.set_rng_state


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

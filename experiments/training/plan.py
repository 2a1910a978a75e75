"""The steps of a run: how many an epoch has, how far training has come before each, which pictures are worth one."""

import math

import torch
from torch import Tensor

from experiments.training.config import Config


def skips(config: Config, epoch: int) -> bool:
    """Whether this epoch leaves out the pictures that are learnt already."""
    return config.skip > 0 and epoch >= (config.epochs or 1) / 2


def kept(config: Config, pictures: int) -> int:
    """How many of the pictures an epoch takes that leaves some out."""
    return max(1, int(pictures * (1 - config.skip)))


def shares(config: Config, pictures: int) -> list[float]:
    """The share of the run that is done before each step; every epoch is an equal share, however many steps it has.

    >>> shares(Config(batch_size=10, epochs=2.0, skip=0.5), 40)
    [0.0, 0.125, 0.25, 0.375, 0.5, 0.75]
    """
    epochs, done = config.epochs or 1.0, []
    for epoch in range(math.ceil(epochs)):
        count = kept(config, pictures) if skips(config, epoch) else pictures
        steps = max(1, count // min(config.batch_size, count))
        taken = round(steps * min(1.0, epochs - epoch))
        done += [(epoch + step / steps) / epochs for step in range(taken)]
    done = done or [0.0]
    limit = config.max_steps
    return done if limit is None or limit >= len(done) else [step / limit for step in range(limit)]


class Losses:
    """Every picture's loss when it was last trained on; infinite before."""

    def __init__(self, pictures: int, device: torch.device):
        self.values = torch.full((pictures,), math.inf, device=device)

    @torch.no_grad()
    def note(self, indices: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Cross-entropy, whatever is minimised: it tells how well a picture is known in every case."""
        self.values[indices] = torch.nn.functional.cross_entropy(scores.float(), labels, reduction="none")

    def largest(self, count: int) -> Tensor:
        """True for the ``count`` pictures of largest loss."""
        chosen = torch.zeros(len(self.values), dtype=torch.bool, device=self.values.device)
        chosen[self.values.topk(count).indices] = True
        return chosen

"""How the weights follow the gradient."""

import math
from collections.abc import Callable

import torch
from torch import nn

from experiments.training.config import Config
from experiments.training.models import ConvNet
from manualnet.optim import Muon

# The speed record's rates per unit of Muon's, for a loss summed over a batch of 2,000 and scores divided by the width.
_HEAD, _BIAS, _BATCH = 0.67 / 0.24, 0.053 / 0.24, 2000


def build(model: nn.Module, config: Config, products: torch.dtype | None = None) -> list[torch.optim.Optimizer]:
    """One optimizer, or for muon two: orthogonal steps for hidden weights, gradient descent for the rest.

    ``products`` is the type in which Muon multiplies matrices, that of the weights if None.
    """
    lr, decay, momentum = config.learning_rate, config.weight_decay, config.momentum
    trained = [p for p in model.parameters() if p.requires_grad]
    weights, others = [p for p in trained if p.dim() > 1], [p for p in trained if p.dim() <= 1]
    if config.optimizer == "adamw":
        return [torch.optim.AdamW(_groups((weights, lr, decay), (others, lr, 0.0)))]
    if config.optimizer == "sgd":
        return [_descent(momentum, (weights, lr, decay), (others, lr, 0.0))]
    *hidden, head = weights
    if isinstance(model, ConvNet):
        # Muon's steps have one length whatever the gradient, so that their noise adds up with the root of the batch:
        # where its rate follows that root, the rates of plain descent follow the batch.
        batch = math.sqrt(_BATCH * config.batch_size)
        rates = lr * _HEAD * batch, lr * _BIAS * batch
        # The record's decay is the share by which weights shrink a step, whatever their rate.
        decays = [decay / rate if rate else 0.0 for rate in rates]
    else:
        rates, decays = (lr, lr), [decay, 0.0]
    rest = _descent(momentum, ([head], rates[0], decays[0]), (others, rates[1], decays[1]))
    return [rest, Muon(hidden, lr=lr, momentum=0.6, dtype=products)] if hidden else [rest]


def _groups(*groups: tuple[list[nn.Parameter], float, float]) -> list[dict]:
    return [{"params": p, "lr": rate, "weight_decay": decay} for p, rate, decay in groups if p]


def _descent(momentum: float, *groups: tuple[list[nn.Parameter], float, float]) -> torch.optim.SGD:
    return torch.optim.SGD(_groups(*groups), momentum=momentum, nesterov=momentum > 0)


def schedule(kind: str) -> Callable[[float], float]:
    """The learning rate's share at a share of the run."""
    return {
        "constant": lambda done: 1.0,
        "linear": lambda done: 1.0 - done,
        "cosine": lambda done: 0.5 * (1.0 + torch.cos(torch.tensor(torch.pi * done)).item()),
    }[kind]

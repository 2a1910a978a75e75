"""How the weights follow the gradient."""

from collections.abc import Callable

import torch
from torch import nn

from experiments.training.config import Config
from manualnet.optim import Muon

# Of the speed record's recipe, per unit of Muon's learning rate, for a loss summed over the batch.
_HEAD, _BIAS = 0.67 / 0.24, 0.053 / 0.24


def build(model: nn.Module, config: Config) -> list[torch.optim.Optimizer]:
    """One optimizer, or for muon two: orthogonal steps for hidden weights, gradient descent for the rest."""
    lr, decay = config.learning_rate, config.weight_decay
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    weights, others = [p for _, p in named if p.dim() > 1], [p for _, p in named if p.dim() <= 1]
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    groups = [g for g in groups if g["params"]]
    if config.optimizer == "sgd":
        return [torch.optim.SGD(groups, lr=lr, momentum=config.momentum, nesterov=config.momentum > 0)]
    if config.optimizer == "adamw":
        return [torch.optim.AdamW(groups, lr=lr)]
    head = weights[-1]
    summed = config.batch_size
    rest = [
        {"params": [head], "lr": lr * _HEAD * summed, "weight_decay": decay / (lr * _HEAD * summed)},
        {"params": others, "lr": lr * _BIAS * summed, "weight_decay": decay / (lr * _BIAS * summed)},
    ]
    hidden = weights[:-1]
    sgd = torch.optim.SGD([g for g in rest if g["params"]], momentum=config.momentum, nesterov=config.momentum > 0)
    return [sgd, Muon(hidden, lr=lr, momentum=0.6)] if hidden else [sgd]


def schedule(kind: str) -> Callable[[float], float]:
    """The learning rate's share at a share of the run."""
    return {
        "constant": lambda done: 1.0,
        "linear": lambda done: 1.0 - done,
        "cosine": lambda done: 0.5 * (1.0 + torch.cos(torch.tensor(torch.pi * done)).item()),
    }[kind]

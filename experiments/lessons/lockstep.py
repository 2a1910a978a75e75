"""The written-out algorithms beside manualnet's layers and beside PyTorch's autograd, step by step."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from experiments.lessons.algorithms import TwoLayers
from manualnet import functional, nn
from manualnet.optim import SGD
from manualnet.reference import functional as torch_functional
from manualnet.reference import nn as torch_nn


@dataclass(frozen=True)
class Lockstep:
    """How many steps were taken, how far the weights went, and the furthest that they were ever apart."""

    steps: int
    moved: float
    apart: float

    def __str__(self) -> str:
        return f"after each of {self.steps} steps within {self.apart:.0e}; the weights moved by up to {self.moved:.2g}"


def beside_manualnet(network: TwoLayers, x: Tensor, t: Tensor, **how: Any) -> Lockstep:
    """Train ``network`` and the same network of manualnet's layers, with manualnet's gradient descent."""
    return _together(network, nn, functional, SGD, x, t, **how)


def beside_autograd(network: TwoLayers, x: Tensor, t: Tensor, **how: Any) -> Lockstep:
    """Train ``network`` and the same network of PyTorch's layers, with PyTorch's autograd and gradient descent."""
    return _together(network, torch_nn, torch_functional, torch.optim.SGD, x, t, **how)


def _together(
    network: TwoLayers,
    namespace: ModuleType,
    functions: ModuleType,
    descent: type[torch.optim.Optimizer],
    x: Tensor,
    t: Tensor,
    *,
    eta: float,
    epochs: int,
    batched: bool = False,
) -> Lockstep:
    modules = network.modules(namespace)
    optimizer = descent(modules.parameters(), lr=eta)  # type: ignore[call-arg]
    first, apart, steps = _flat(network), 0.0, 0
    learn = network.learn_batch if batched else network.learn_example
    for _ in range(epochs):
        for examples, targets in [(x, t)] if batched else zip(x, t, strict=True):
            learn(examples, targets, eta)
            optimizer.zero_grad()
            functions.squared_error(modules(examples), targets).backward()
            optimizer.step()
            found = torch.cat([_with_bias(modules[i]).flatten() for i in (0, 2)])
            apart, steps = max(apart, float((_flat(network) - found).abs().max())), steps + 1
    return Lockstep(steps, float((_flat(network) - first).abs().max()), apart)


def _flat(network: TwoLayers) -> Tensor:
    return torch.cat([network.W1.flatten(), network.W2.flatten()])


def _with_bias(linear: Any) -> Tensor:
    return torch.cat([linear.bias.detach().unsqueeze(1), linear.weight.detach()], dim=1)

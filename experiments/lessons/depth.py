"""Depth: pieces that a line is folded into, gradients that reach the first layer, and what is learned at equal size."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.lessons import toy
from experiments.lessons.perceptron import count, minimise, perceptron
from manualnet import functional as F
from manualnet import nn

# ReLU halves the second moment of what passes; √2 makes up for it.
KINDS: dict[str, tuple[Callable[[], nn.Module], float]] = {"ReLU": (nn.ReLU, math.sqrt(2)), "sigmoid": (nn.Sigmoid, 1)}
DEPTHS = (1, 2, 4, 8, 16)


def tent(depth: int) -> nn.Sequential:
    """A ReLU network of two units a layer that folds the interval from 0 to 1 in half, ``depth`` times.

    A fold is t(x) = 2 relu(x) − 4 relu(x − ½): up to 1 at ½, and down again. Folded d times it has 2^d pieces.

    >>> tent(2)(torch.tensor([[0.0], [0.25], [0.5], [0.75], [1.0]], dtype=torch.float64))[:, 0].tolist()
    [0.0, 1.0, 0.0, 1.0, 0.0]
    """
    network = perceptron([1, *[2] * depth, 1], nn.ReLU)
    fold = torch.tensor([[2.0, -4.0]], dtype=torch.float64)
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linears[:-1]:
            layer.weight.copy_(fold.expand(2, 2) if layer.in_features == 2 else torch.ones(2, 1))
            layer.bias.copy_(torch.tensor([0, -0.5]))
        linears[-1].weight.copy_(fold)
        linears[-1].bias.zero_()
    return network


def pieces(network: nn.Module, finest: int = 256) -> int:
    """How many straight pieces a network makes of the interval from 0 to 1, if they end at multiples of 1/finest."""
    x = torch.linspace(0, 1, finest + 1, dtype=torch.float64)[:, None]
    with torch.no_grad():
        slopes = network(x)[:, 0].diff() * finest
    return 1 + int((slopes.diff().abs() > 1e-6).sum())


def gradient_norms(kind: str, depth: int, width: int = 32) -> list[float]:
    """The norm of each layer's weight gradient before training, from the first hidden layer to the output."""
    x, t = toy.spiral()
    activation, gain = KINDS[kind]
    network = perceptron([x.shape[1], *[width] * depth, 1], activation, gain=gain)
    weights = [p for p in network.parameters() if p.dim() == 2]
    loss = F.binary_cross_entropy_with_logits(network(x).squeeze(1), t)
    return [g.norm().item() for g in torch.autograd.grad(loss, weights)]


def width_for(depth: int, size: int) -> int:
    """The width at which a network from 2 numbers to 1 has nearest to ``size`` weights and biases.

    >>> width_for(1, 236), width_for(8, 236)
    (59, 5)
    """
    return min(range(1, size), key=lambda w: abs(3 * w + (depth - 1) * w * (w + 1) + w + 1 - size))


@dataclass(frozen=True)
class Trained:
    """What became of networks of one depth and about the same size, from several starts."""

    depth: int
    width: int
    parameters: int
    losses: Sequence[float]


def sweep(kind: str, size: int = 236, depths: Sequence[int] = (1, 2, 4, 8), seeds: int = 2) -> list[Trained]:
    """Depth against width at equal size, on the spiral."""
    x, t = toy.spiral()
    found = []
    for depth in depths:
        width = width_for(depth, size)
        networks = [_fitted(kind, depth, width, x, t, seed) for seed in range(seeds)]
        found.append(Trained(depth, width, count(networks[0][0]), [loss for _, loss in networks]))
    return found


def _fitted(kind: str, depth: int, width: int, x: Tensor, t: Tensor, seed: int) -> tuple[nn.Module, float]:
    activation, gain = KINDS[kind]
    network = perceptron([2, *[width] * depth, 1], activation, gain=gain, bias=0.1, seed=seed)
    loss = minimise(network, lambda: F.binary_cross_entropy_with_logits(network(x).squeeze(1), t), steps=60)
    return network, loss

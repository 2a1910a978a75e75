"""Many small two-layer networks trained side by side, each with a seed and data of its own: (seeds, N, inputs)."""

import torch
from torch import Tensor

from manualnet import functional as F
from manualnet.optim import SGD

XOR = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
XOR_CLASSES = torch.tensor([0, 1, 1, 0])


def networks(seeds: int, inputs: int, hidden: int, draw: torch.Generator) -> list[Tensor]:
    """Weights and biases of ``seeds`` networks with two classes, uniform in ±1/√(inputs of the layer)."""
    shapes = ((inputs, hidden), (1, hidden), (hidden, 2), (1, 2))
    spans = (inputs, inputs, hidden, hidden)
    return [
        ((torch.rand(seeds, *shape, generator=draw) * 2 - 1) / n**0.5).requires_grad_()
        for shape, n in zip(shapes, spans, strict=True)
    ]


def scores(x: Tensor, weights: list[Tensor], dropout: float = 0.0) -> Tensor:
    """(seeds, N, 2), with ReLU between the layers; every network sees its own part of ``x``."""
    first, first_bias, second, second_bias = weights
    z = F.relu(F.add(F.matmul(x, first), first_bias))
    z = F.dropout(z, dropout, training=dropout > 0)
    return F.add(F.matmul(z, second), second_bias)


def losses(x: Tensor, target: Tensor, weights: list[Tensor], dropout: float = 0.0) -> Tensor:
    """The mean cross-entropy of each network, (seeds)."""
    out = scores(x, weights, dropout).flatten(0, 1)
    return F.cross_entropy(out, target.flatten(), reduction="none").view(target.shape).mean(1)


def errors(x: Tensor, target: Tensor, weights: list[Tensor]) -> Tensor:
    """The share that each network gets wrong, (seeds)."""
    return (scores(x, weights).argmax(-1) != target).float().mean(1).detach()


def train(
    x: Tensor, target: Tensor, weights: list[Tensor], lr: float, steps: int, momentum: float = 0.0, dropout: float = 0.0
) -> None:
    """Gradient descent on all data at once. The losses are summed, so no network feels another's gradient."""
    optimizer = SGD(weights, lr=lr, momentum=momentum)
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(0)
        for _ in range(steps):
            optimizer.zero_grad()
            losses(x, target, weights, dropout).sum().backward()
            optimizer.step()


def xor(hidden: int, seeds: int = 30, steps: int = 150) -> Tensor:
    """The loss at which ReLU networks of that width end on XOR, from different starts, (seeds)."""
    x, target = XOR.expand(seeds, 4, 2), XOR_CLASSES.expand(seeds, 4)
    weights = networks(seeds, 2, hidden, torch.Generator().manual_seed(hidden))
    train(x, target, weights, lr=1.0, steps=steps)
    return losses(x, target, weights).detach()


def noisy(seeds: int, count: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points of five numbers, two of which decide the class, and every fifth class wrong: no network can beat .2."""
    x = torch.randn(seeds, count, 5, generator=draw)
    target = (x[..., 0] + x[..., 1] > 0).long()
    return x, torch.where(torch.rand(seeds, count, generator=draw) < 0.2, 1 - target, target)


def generalisation(count: int, dropout: float = 0.0, seeds: int = 16) -> tuple[Tensor, Tensor]:
    """Training and test error of 64 hidden units after training on ``count`` noisy points, (seeds) each."""
    x, target = noisy(seeds, count, torch.Generator().manual_seed(count))
    test_x, test_target = noisy(seeds, 500, torch.Generator().manual_seed(0))
    weights = networks(seeds, 5, 64, torch.Generator().manual_seed(1))
    train(x, target, weights, lr=0.1, steps=100, momentum=0.9, dropout=dropout)
    return errors(x, target, weights), errors(test_x, test_target, weights)

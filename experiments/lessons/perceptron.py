"""Small networks of linear layers, and their training: all from seeds of their own, in float64."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.utils import skip_init

from manualnet import functional as F
from manualnet import nn


def perceptron(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module] = nn.Tanh,
    *,
    gain: float = 1.0,
    bias: float = 0.0,
    seed: int = 0,
) -> nn.Sequential:
    """Linear layers of these sizes with an activation between them.

    Weights are normal with deviation gain / √(inputs of the unit), biases with deviation ``bias``. √2 suits ReLU, which
    halves the second moment, and keeps the size of what flows through.

    >>> perceptron([2, 8, 1])
    Sequential(
      (0): Linear(in_features=2, out_features=8, bias=True)
      (1): Tanh()
      (2): Linear(in_features=8, out_features=1, bias=True)
    )
    """
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        # Drawing weights as usual would move the global seed.
        linear = skip_init(nn.Linear, inputs, outputs, dtype=torch.float64)
        nn.init.normal_(linear.weight, std=gain / math.sqrt(inputs), generator=generator)
        nn.init.normal_(linear.bias, std=bias, generator=generator)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def count(network: nn.Module) -> int:
    """Weights and biases.

    >>> count(perceptron([2, 8, 1]))
    33
    """
    return sum(p.numel() for p in network.parameters())


def minimise(network: nn.Module, loss: Callable[[], Tensor], steps: int) -> float:
    """Minimise a loss of the whole data by steps of L-BFGS, which uses gradients alone; returns the last loss.

    It learns from the last gradients how the loss curves: small networks take a hundred steps, not ten thousand.

    >>> line = perceptron([1, 1])
    >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    >>> minimise(line, lambda: ((line(x) - 3 * x) ** 2).mean(), steps=10) < 1e-12
    True
    """
    optimizer = torch.optim.LBFGS(
        network.parameters(),
        max_iter=steps,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(evaluate)
    return loss().item()


def classifier(data: tuple[Tensor, Tensor], width: int = 0, seed: int = 0) -> nn.Sequential:
    """A network with that many tanh units, or a linear one for 0, trained to tell two classes of points apart."""
    points, target = data
    network = perceptron([2, width, 1] if width else [2, 1], nn.Tanh, gain=1.5, bias=0.5, seed=seed)
    minimise(network, lambda: F.binary_cross_entropy_with_logits(network(points).squeeze(1), target), steps=100)
    return network

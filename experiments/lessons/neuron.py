"""The biology behind the lecture: units that fire or not, and the cells that answer to edges."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.lessons import toy
from experiments.lessons.perceptron import perceptron
from manualnet import functional as F
from manualnet import nn, optim

# A simple cell's field: light in the middle column, dark beside it.
EDGE = torch.tensor([[-0.5, 1, -0.5]] * 3, dtype=torch.float64)


@dataclass(frozen=True)
class Run:
    """The loss before each step, and how far the first layer's weights have moved at the end."""

    losses: list[float]
    moved: float


def learn_xor(activation: Callable[[], nn.Module], steps: int = 300) -> Run:
    """Gradient descent on XOR with three hidden units, from the same weights for every activation."""
    corners, target = toy.xor()
    network = perceptron([2, 3, 1], activation, gain=3, bias=1, seed=3)
    first = next(network.parameters())
    before = first.detach().clone()
    optimizer = optim.SGD(network.parameters(), lr=1.0)
    losses = []
    for _ in range(steps):
        loss = F.binary_cross_entropy_with_logits(network(corners).squeeze(1), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return Run(losses, (first.detach() - before).norm().item())


def pictures() -> dict[str, Tensor]:
    """A line, the same two pixels further, and one of the other direction, 8×8 each."""
    found = {name: torch.zeros(8, 8, dtype=torch.float64) for name in ("a line", "moved by 2", "turned")}
    found["a line"][:, 2] = found["moved by 2"][:, 4] = found["turned"][3] = 1
    return found


def simple(picture: Tensor) -> Tensor:
    """A sheet of simple cells, one a pixel: the same weights everywhere, so it is a convolution.

    >>> simple(torch.ones(8, 8, dtype=torch.float64)).max().item()
    0.0
    """
    # The border is carried on, for its end would be an edge.
    bordered = F.pad(picture[None, None], (1, 1, 1, 1), mode="replicate")
    return F.relu(F.conv2d(bordered, EDGE[None, None]))[0, 0]

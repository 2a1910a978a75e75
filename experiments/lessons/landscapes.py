"""A small classifier's loss as a landscape, gradient descent's path through it, and cuts along which both are seen."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.lessons.descend import descend
from manualnet import functional as F

LOSSES: dict[str, Callable[..., Tensor]] = {"hinge": F.hinge_loss, "cross-entropy": F.cross_entropy}
START = torch.tensor([[-1.5, -1.0], [1.0, -1.5], [0.5, 2.0]], dtype=torch.float64)  # every class points the wrong way


def points() -> tuple[Tensor, Tensor]:
    """Twelve points of two numbers, in three classes that overlap; the second number varies less, so L is a valley."""
    draw = torch.Generator().manual_seed(4)
    centres = torch.tensor([[1.0, 0.6], [-1.0, 0.6], [0.0, -1.2]], dtype=torch.float64)
    target = torch.arange(12) % 3
    x = centres[target] + torch.randn(12, 2, generator=draw, dtype=torch.float64)
    return x * torch.tensor([1.0, 0.4], dtype=torch.float64), target


def loss_of(name: str) -> Callable[[Tensor], Tensor]:
    """The mean loss of a linear classifier without biases on the points, as a function of its weights (3, 2)."""
    x, target = points()
    return lambda weight: LOSSES[name](F.linear(x, weight), target)


def losses_at(name: str, weights: Tensor) -> Tensor:
    """The same of many weights (…, 3, 2) at once."""
    x, target = points()
    scores = F.matmul(x, weights.reshape(-1, *START.shape).mT)
    each = LOSSES[name](scores.flatten(0, 1), target.repeat(len(scores)), reduction="none")
    return each.view(*weights.shape[:-2], len(x)).mean(-1)


@dataclass(frozen=True)
class Slice:
    """The loss along a straight line through weight space, and gradient descent on that line."""

    t: Tensor
    losses: Tensor
    path: Tensor
    path_losses: Tensor


def cut(name: str, lr: float, steps: int) -> Slice:
    """The line of the first step, w(t) = START − t g with g = ∇L(START) / ‖∇L(START)‖, descended from t = 0."""
    loss = loss_of(name)
    start = START.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(start), start)
    down = -slope / slope.norm()
    t = torch.linspace(-0.5, 8.0, 171, dtype=START.dtype)
    path, path_losses = descend(lambda at: loss(START + at * down), torch.zeros((), dtype=START.dtype), lr, steps)
    return Slice(t, losses_at(name, START + t.view(-1, 1, 1) * down), path, path_losses)


@dataclass(frozen=True)
class Plane:
    """The loss on the plane that holds most of a path: ``losses[i, j]`` at ``u[j]`` along and ``v[i]`` across."""

    u: Tensor
    v: Tensor
    losses: Tensor
    path: Tensor
    path_losses: Tensor
    share: float  # of the path's squared distances from its end

    @property
    def falling(self) -> bool:
        return bool((self.path_losses.diff() < 0).all())


def plane(name: str, lr: float, steps: int) -> Plane:
    """Descend from START, and lay the plane through the path's end along the two directions it goes most."""
    path, path_losses = descend(loss_of(name), START, lr, steps)
    offsets = (path - path[-1]).flatten(1)
    _, spread, directions = torch.linalg.svd(offsets, full_matrices=False)
    coordinates = offsets @ directions[:2].t()
    middle = (coordinates.amin(0) + coordinates.amax(0)) / 2
    half = 0.75 * (coordinates.amax(0) - coordinates.amin(0)).max()
    u, v = (torch.linspace(float(m - half), float(m + half), 60, dtype=path.dtype) for m in middle)
    grid = torch.stack(torch.meshgrid(u, v, indexing="xy"), -1) @ directions[:2]
    losses = losses_at(name, path[-1] + grid.view(60, 60, *START.shape))
    share = float(spread[:2].square().sum() / spread.square().sum())
    return Plane(u, v, losses, coordinates, path_losses, share)

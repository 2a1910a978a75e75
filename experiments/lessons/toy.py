"""Small two-class problems in the plane: points (N, 2) and their classes (N,), 0 or 1, in float64.

Each is the same at every call: what is random in it comes from a generator of its own.
"""

import math

import torch
from torch import Tensor

Data = tuple[Tensor, Tensor]


def xor(copies: int = 1, noise: float = 0.0) -> Data:
    """The corners of a square, class 1 where exactly one coordinate is 1.

    >>> xor()
    (tensor([[0., 0.],
            [0., 1.],
            [1., 0.],
            [1., 1.]], dtype=torch.float64), tensor([0., 1., 1., 0.], dtype=torch.float64))
    """
    corners = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    target = torch.tensor([0, 1, 1, 0], dtype=torch.float64)
    return _noisy(corners.repeat(copies, 1), noise), target.repeat(copies)


def moons(n: int = 60, noise: float = 0.1) -> Data:
    """Two half circles of n points each, one reaching into the other.

    >>> points, target = moons(noise=0)
    >>> points[0].tolist(), points[60].tolist()
    ([1.0, 0.0], [0.0, 0.5])
    """
    angle = torch.linspace(0, math.pi, n, dtype=torch.float64)
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    return _noisy(torch.cat([upper, lower]), noise), _halves(n)


def spiral(n: int = 60, turns: float = 1.25, noise: float = 0.02) -> Data:
    """Two arms of n points each, wound around each other; one is the other turned by half a circle.

    >>> points, target = spiral(noise=0)
    >>> torch.equal(points[target == 1], -points[target == 0])
    True
    """
    radius = torch.linspace(0.1, 1, n, dtype=torch.float64)
    angle = 2 * math.pi * turns * radius
    arm = radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    return _noisy(torch.cat([arm, -arm]), noise), _halves(n)


def _halves(n: int) -> Tensor:
    return torch.cat([torch.zeros(n), torch.ones(n)]).double()


def _noisy(points: Tensor, noise: float) -> Tensor:
    return points + noise * torch.randn(points.shape, generator=torch.Generator().manual_seed(0), dtype=points.dtype)

"""Ten shapes as signed distances: how far a point is outside (positive) or inside (negative) the shape's edge.

Each takes coordinates (N, H, W) in the shape's own frame, where it fits the unit disc.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Shape = Callable[[Tensor, Tensor], Tensor]


def disc(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.85


def ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.68).abs() - 0.2


def square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.72


def triangle(x: Tensor, y: Tensor) -> Tensor:
    return _polygon(x, y, 3, 0.5)


def star(x: Tensor, y: Tensor) -> Tensor:
    # The angle folded into one half of one of five arms: there the edge is a line from the arm's tip to the notch.
    folded = (torch.remainder(torch.atan2(x, y), 2 * math.pi / 5) - math.pi / 5).abs()
    radius = torch.hypot(x, y)
    along, across = radius * torch.cos(folded), radius * torch.sin(folded)
    notch, tip = 0.4, (math.cos(math.pi / 5), math.sin(math.pi / 5))
    edge = (tip[0] - notch, tip[1])
    return ((along - notch) * edge[1] - across * edge[0]) / math.hypot(*edge)


def cross(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(_box(x, y, 0.92, 0.27), _box(x, y, 0.27, 0.92))


def moon(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x + 0.1, y) - 0.88, 0.72 - torch.hypot(x - 0.38, y))


def heart(x: Tensor, y: Tensor) -> Tensor:
    # One half, mirrored: a disc for the lobe, and the wedge from the tip to where its side touches the disc.
    x, across, along = x.abs(), 0.7416, 0.6709
    lobe = torch.hypot(x - 0.42, y - 0.3) - 0.46
    side = x * across - (y + 0.85) * along
    above = torch.maximum(y - 0.3, (x - 0.42) * along + (y - 0.3) * across)
    return torch.minimum(lobe, torch.maximum(side, above))


def arrow(x: Tensor, y: Tensor) -> Tensor:
    head = _polygon(x, y - 0.35, 3, 0.32)
    return torch.minimum(head, _box(x, y + 0.4, 0.17, 0.55))


def bars(x: Tensor, y: Tensor) -> Tensor:
    return _box(x, y.abs() - 0.48, 0.78, 0.23)


SHAPES: dict[str, Shape] = {
    shape.__name__: shape for shape in (disc, ring, square, triangle, star, cross, moon, heart, arrow, bars)
}


def _box(x: Tensor, y: Tensor, width: float, height: float) -> Tensor:
    return torch.maximum(x.abs() - width, y.abs() - height)


def _polygon(x: Tensor, y: Tensor, corners: int, inradius: float) -> Tensor:
    angles = [2 * math.pi * k / corners - math.pi / 2 for k in range(corners)]
    sides = [x * math.cos(angle) + y * math.sin(angle) for angle in angles]
    return torch.stack(sides).amax(0) - inradius

"""A data set that needs no network: ten shapes of CIFAR-10's format, drawn by code from a seed.

Colour, place, size, rotation, texture, clutter and noise are random, and none of them tells the class: only the form
does. So pixels one by one say little (a linear classifier gets a fifth right), and edges in their arrangement say all.
"""

import math

import numpy as np
import torch
from torch import Generator, Tensor

from experiments.training.shapes import SHAPES, Shape

CLASSES = tuple(SHAPES)
TRAIN, TEST = 10_000, 2_000
SIZE = 32
FRAGMENTS = 4  # behind the shape; one more lies before it
LEAN = 0.6  # radians to either side
CONTRAST = 0.35
LIGHT = 0.8  # share of light shapes on a dark ground, where the colours allow it


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` pictures, uint8 (count, 3, 32, 32), and their labels, uint8 (count,), every class equally often.

    Only uniform numbers are drawn, whose stream is the same on every processor.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(CLASSES)
    images = torch.empty(count, 3, SIZE, SIZE, dtype=torch.uint8)
    for label, shape in enumerate(SHAPES.values()):
        where = slice(label, None, len(CLASSES))
        images[where] = _pictures(shape, len(labels[where]), generator)
    return images.numpy(), labels.to(torch.uint8).numpy()


def _pictures(shape: Shape, count: int, generator: Generator) -> Tensor:
    axis = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    y, x = axis.view(1, SIZE, 1).neg(), axis.view(1, 1, SIZE)

    ground, ink = _colours(count, generator)
    picture = ground + 0.22 * _ramp(x, y, count, generator) + 0.14 * _stripes(x, y, count, generator)
    for _ in range(FRAGMENTS):
        cover = _fragment(x, y, count, generator)
        picture = torch.lerp(picture, _uniform(generator, 0, 1, count, 3, 1, 1), cover)

    size = _uniform(generator, 0.45, 0.8, count, 1, 1)
    u, v = _frame(x, y, size, 0.7 * (0.95 - size), count, generator)
    cover = _cover(shape(u, v) * size)
    picture = torch.lerp(picture, ink + 0.14 * _stripes(u * size, v * size, count, generator), cover)
    picture = torch.lerp(picture, _uniform(generator, 0, 1, count, 3, 1, 1), _fragment(x, y, count, generator))

    # The sum of two uniform numbers is round enough for noise.
    noise = _uniform(generator, -1, 1, count, 3, SIZE, SIZE) + _uniform(generator, -1, 1, count, 3, SIZE, SIZE)
    picture = picture + _uniform(generator, 0.01, 0.08, count, 1, 1, 1) * noise
    return (picture * 255).round_().clamp_(0, 255).to(torch.uint8)


def _uniform(generator: Generator, low: float, high: float, *size: int) -> Tensor:
    return torch.rand(size, generator=generator) * (high - low) + low


def _colours(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """A ground and an ink that differ enough to be seen: (count, 3, 1, 1) each."""
    ground = _uniform(generator, 0.15, 0.85, count, 3, 1, 1)
    direction = _uniform(generator, -1, 1, count, 3, 1, 1)
    direction = direction / direction.square().sum(1, keepdim=True).sqrt().clamp_min(0.1)
    step = direction * _uniform(generator, 0.4, 0.8, count, 1, 1, 1)
    light = _uniform(generator, 0, 1, count, 1, 1, 1) < LIGHT
    step = torch.where((step.sum(1, keepdim=True) > 0) == light, step, -step)
    ink, other = (ground + step).clamp(0, 1), (ground - step).clamp(0, 1)
    # Where the end of the scale leaves too little of the step, the other way has room.
    unseen = (ink - ground).square().sum(1, keepdim=True) < CONTRAST**2
    return ground, torch.where(unseen, other, ink)


def _frame(
    x: Tensor, y: Tensor, size: Tensor, reach: Tensor, count: int, generator: Generator
) -> tuple[Tensor, Tensor]:
    """The picture's coordinates in a frame of its own for each: moved, turned, scaled, half of them mirrored."""
    place = _uniform(generator, -1, 1, count, 2, 1, 1) * reach.unsqueeze(1)
    turn = _uniform(generator, -LEAN, LEAN, count, 1, 1)
    x, y = x - place[:, 0], y - place[:, 1]
    cos, sin = torch.cos(turn) / size, torch.sin(turn) / size
    mirror = torch.where(_uniform(generator, 0, 1, count, 1, 1) < 0.5, 1.0, -1.0)
    return (x * cos + y * sin) * mirror, y * cos - x * sin


def _cover(distance: Tensor) -> Tensor:
    """How much of each pixel lies within, (N, 1, H, W): the edge is one pixel soft."""
    return (0.5 - distance * (SIZE / 2)).clamp_(0, 1).unsqueeze(1)


def _ramp(x: Tensor, y: Tensor, count: int, generator: Generator) -> Tensor:
    """Light that falls from one side, a little coloured: (N, 3, H, W) in −1 to 1."""
    slope = _uniform(generator, -0.5, 0.5, count, 2, 1, 1)
    tint = _uniform(generator, 0.4, 1, count, 3, 1, 1)
    return tint * (x * slope[:, 0] + y * slope[:, 1]).unsqueeze(1)


def _stripes(x: Tensor, y: Tensor, count: int, generator: Generator) -> Tensor:
    """A texture of waves with their own direction, width and strength: (N, 1, H, W) in −1 to 1."""
    turn, width, phase = (_uniform(generator, *ends, count, 1, 1) for ends in ((0, math.pi), (4, 18), (0, 2 * math.pi)))
    waves = torch.sin((x * torch.cos(turn) + y * torch.sin(turn)) * width + phase)
    return (waves * _uniform(generator, 0, 1, count, 1, 1)).unsqueeze(1)


def _fragment(x: Tensor, y: Tensor, count: int, generator: Generator) -> Tensor:
    """Clutter's cover: a stroke with round ends, from a dot to a quarter of the picture long, straight or bent."""
    place = _uniform(generator, -1, 1, count, 2, 1, 1)
    turn, length, bend, thick = (
        _uniform(generator, *ends, count, 1, 1) for ends in ((0, math.pi), (0, 0.3), (-1.5, 1.5), (0.03, 0.09))
    )
    x, y = x - place[:, 0], y - place[:, 1]
    x, y = x * torch.cos(turn) + y * torch.sin(turn), y * torch.cos(turn) - x * torch.sin(turn)
    y = y - bend * x.square()
    return _cover(torch.hypot(x - x.clamp(min=-length, max=length), y) - thick)

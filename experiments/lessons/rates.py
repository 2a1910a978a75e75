"""What the learning rate does: on a parabola, and on pictures."""

import math

import torch
from torch import Tensor

from experiments.lessons.descend import descend
from experiments.lessons.pictures import Pictures
from manualnet import functional as F
from manualnet import nn
from manualnet.optim import SGD


def on_parabola(c: float, lr: float, steps: int) -> Tensor:
    """w at each step of gradient descent on ½cw² from w = 1, (steps + 1)."""
    path, _ = descend(lambda w: F.mul(F.mul(w, w), c / 2), torch.ones((), dtype=torch.float64), lr, steps)
    return path


def on_pictures(pictures: Pictures, lr: float) -> list[float]:
    """Training loss of a two-layer network, at the start and in means of five steps; infinite when it has overflowed.

    CIFAR-10 gets more pictures, units and steps than the embedded pictures, which are to be quick.
    """
    count, batch, hidden, steps = (10_000, 100, 50, 300) if pictures.real else (1_000, 50, 32, 100)
    draw = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(pictures.train_labels), generator=draw)[:count]
    images, labels = pictures.train_images[chosen], pictures.train_labels[chosen]
    images = (images - images.mean()) / images.std()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(3072, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    optimizer = SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        rows = torch.randint(count, (batch,), generator=draw)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[rows]), labels[rows])
        if not torch.isfinite(loss):
            break
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    losses += [math.inf] * (steps - len(losses))
    return [losses[0], *(sum(losses[i : i + 5]) / 5 for i in range(0, steps, 5))]

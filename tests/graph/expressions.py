"""Expressions to trace: the lecture's, and some of each kind of operation."""

import torch
from torch import Tensor

from manualnet import functional as F


def lecture(x, y, z):
    q = x + y
    f = q * z
    return f  # noqa: RET504 - the name is what is tested


LECTURE = {"x": -2, "y": 5, "z": -4}


def two_layers(x, W1, W2, t):
    a1 = F.linear(x, W1)
    z = F.sigmoid(a1)
    z1 = F.pad(z, (1, 0), value=1.0)
    a2 = F.linear(z1, W2)
    y = F.sigmoid(a2)
    E = F.squared_error(y, t)
    return E  # noqa: RET504


GOLDEN_A = {"x": [1, 1, 2], "W1": [[0.1, 0.5, -0.3], [-0.2, 0.8, 0.4]], "W2": [[0.05, 0.7, -0.6]], "t": [1]}


def twelve_nodes(x, W, b, y):
    s = x @ W.T + b
    h = F.dropout(F.relu(s), 0.5)
    loss = F.cross_entropy(h, y)
    r = 0.5 * F.l2_penalty(W, b)
    total = loss + r
    return total  # noqa: RET504


def twelve_inputs() -> dict[str, Tensor]:
    return {"x": normal(2, 3), "W": normal(4, 3, seed=1), "b": normal(4, seed=2), "y": torch.tensor([0, 2])}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

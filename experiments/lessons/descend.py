"""Gradient descent, step by step."""

from collections.abc import Callable

import torch
from torch import Tensor

from manualnet.optim import SGD


def descend(loss: Callable[[Tensor], Tensor], start: Tensor, lr: float, steps: int) -> tuple[Tensor, Tensor]:
    """Follow −∇loss from ``start``: the weights before each step and after the last, (steps + 1, …), and their losses.

    >>> from manualnet import functional as F
    >>> path, losses = descend(lambda w: F.mul(w, w), torch.tensor(1.0), lr=0.25, steps=3)
    >>> path.tolist(), losses.tolist()
    ([1.0, 0.5, 0.25, 0.125], [1.0, 0.25, 0.0625, 0.015625])
    """
    weight = start.detach().clone().requires_grad_()
    optimizer = SGD([weight], lr=lr)
    path, losses = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(weight)
        value.backward()
        path.append(weight.detach().clone())
        losses.append(value.detach())
        optimizer.step()
    return torch.stack([*path, weight.detach().clone()]), torch.stack([*losses, loss(weight).detach()])

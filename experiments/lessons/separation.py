"""Points that the triplet loss moves apart."""

from torch import Tensor

from manualnet import functional as F
from manualnet.optim import SGD

Triplet = tuple[Tensor, Tensor, Tensor]


def separated(start: Triplet, margin: float, lr: float = 0.02, steps: int = 50) -> tuple[list[Triplet], list[float]]:
    """Anchor, positive and negative before each step of gradient descent until they cost nothing, and their losses.

    >>> import torch
    >>> points = (torch.tensor([1.0, 0.0]), torch.tensor([0.8, 0.6]), torch.tensor([0.6, 0.8]))
    >>> path, losses = separated(points, margin=1.0)
    >>> [round(loss, 4) for loss in losses]
    [0.6, 0.4957, 0.3827, 0.2589, 0.1222, 0.0]
    """
    a, p, n = (point.detach().clone().requires_grad_() for point in start)
    optimizer = SGD([a, p, n], lr=lr)
    path: list[Triplet] = []
    losses: list[float] = []
    while len(path) <= steps:
        optimizer.zero_grad()
        loss = F.triplet_loss(a, p, n, margin=margin)
        path.append((a.detach().clone(), p.detach().clone(), n.detach().clone()))
        losses.append(loss.item())
        if loss == 0:
            break
        loss.backward()
        optimizer.step()
    return path, losses

"""Multinomial logistic regression twice: as a classifier trained on cross-entropy, and fitted as statisticians do."""

import torch
from torch import Tensor

from manualnet import functional as F
from manualnet.optim import SGD


def clouds(each: int = 20) -> tuple[Tensor, Tensor]:
    """Three clouds of points in the plane that overlap: x with a 1 for the bias, (3·each, 3), and labels."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.tensor([[0.0, 1.0], [-1.0, -0.5], [1.0, -0.5]], dtype=torch.float64)
    labels = torch.arange(3).repeat_interleave(each)
    spread = torch.rand(3 * each, 2, generator=generator, dtype=torch.float64) * 4 - 2
    return torch.cat([torch.ones(3 * each, 1, dtype=torch.float64), centres[labels] + spread], dim=1), labels


def classifier(x: Tensor, labels: Tensor, steps: int = 800) -> Tensor:
    """W of the linear classifier Wx with the least cross-entropy, (classes, inputs), by gradient descent."""
    weight = torch.zeros(int(labels.max()) + 1, x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = SGD([weight], lr=0.5, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(F.linear(x, weight), labels).backward()
        optimizer.step()
    return weight.detach()


def maximum_likelihood(x: Tensor, labels: Tensor, steps: int = 30) -> tuple[Tensor, Tensor]:
    """The coefficients that make the labels likeliest, against the last class, and the log-likelihood there.

    With p_k = e^{β_k x} / (1 + Σ_j e^{β_j x}) for all classes but the last, whose score is 0, the log-likelihood is
    concave and has the slopes Σ ([y = k] − p_k) x. Newton's method climbs it; nothing of manualnet is used.

    Returns:
        β, (classes − 1, inputs), and the log-likelihood.
    """
    classes, inputs = int(labels.max()), x.shape[1]
    is_class = (labels[:, None] == torch.arange(classes)).to(x.dtype)
    beta = torch.zeros(classes, inputs, dtype=x.dtype)
    for _ in range(steps):
        odds = torch.exp(x @ beta.T)
        p = odds / (1 + odds.sum(1, keepdim=True))
        slope = (is_class - p).T @ x
        # −∂²ℓ/∂β_k∂β_j = Σ p_k ([k = j] − p_j) x xᵀ
        spread = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        curvature = torch.einsum("nkj,na,nb->kajb", spread, x, x).reshape(classes * inputs, -1)
        beta = beta + torch.linalg.solve(curvature, slope.flatten()).reshape(classes, inputs)
    scores = x @ beta.T
    likelihood = (scores * is_class).sum() - torch.log(1 + torch.exp(scores).sum(1)).sum()
    return beta, likelihood

"""Multinomial logistic regression fitted as statistics does it: Newton's method on the likelihood (S34)."""

import torch
from torch import Tensor

CENTRES = torch.tensor([[0.0, 1.0], [-1.0, -0.5], [1.0, -0.5]], dtype=torch.float64)


def clouds(n: int = 20) -> tuple[Tensor, Tensor]:
    """Three overlapping clouds of ``n`` points (3n, 3), with a 1 for the bias in front, and their classes."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3 * n, 2, generator=generator, dtype=torch.float64)
    classes = torch.arange(3).repeat_interleave(n)
    return torch.cat([torch.ones(3 * n, 1, dtype=torch.float64), CENTRES[classes] + noise], dim=1), classes


def log_likelihood(weight: Tensor, x: Tensor, classes: Tensor) -> Tensor:
    """Σ log P(classes | x) with P proportional to e^(W x)."""
    scores = x @ weight.T
    return (scores.gather(1, classes[:, None])[:, 0] - scores.logsumexp(1)).sum()


def maximum(x: Tensor, classes: Tensor, strength: float, steps: int = 20) -> Tensor:
    """The weights (classes, features) that maximise log-likelihood - N · strength · Σ W², by Newton's method.

    With p the probabilities and Y the classes as ones and zeros, the gradient is (Y - p)ᵀ X - 2 N strength W, and the
    Hessian has the blocks -Xᵀ diag(p_k (1[k = l] - p_l)) X - 2 N strength 1[k = l].
    """
    (n, d), k = x.shape, int(classes.max()) + 1
    weight, eye = torch.zeros(k, d, dtype=x.dtype), torch.eye(k, dtype=x.dtype)
    for _ in range(steps):
        p = (x @ weight.T).softmax(1)
        gradient = (eye[classes] - p).T @ x - 2 * n * strength * weight
        spread = p[:, :, None] * (eye - p[:, None, :])
        hessian = torch.einsum("nkl,ni,nj->kilj", spread, x, x).reshape(k * d, k * d)
        hessian += 2 * n * strength * torch.eye(k * d, dtype=x.dtype)
        weight = weight + torch.linalg.solve(hessian, gradient.flatten()).view(k, d)
    return weight

"""The losses that PyTorch lacks, built from its primitives."""

import torch
from torch import Tensor

__all__ = ["hinge_loss", "squared_error", "triplet_loss"]


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[reduction]


def hinge_loss(scores: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Σ_{j≠y} max(0, s_j - s_y + margin); ``relu`` has slope 0 at its kink."""
    right = target.unsqueeze(-1)
    wrong = torch.arange(scores.shape[-1], device=scores.device) != right
    violations = torch.relu(scores - scores.gather(-1, right) + margin)
    return _reduce(torch.where(wrong, violations, 0).sum(-1), reduction)


def squared_error(input: Tensor, target: Tensor) -> Tensor:
    """½ Σ (x - t)²."""
    return (input - target).pow(2).sum() / 2


def triplet_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, reduction: str = "sum"
) -> Tensor:
    """Σ [‖a - p‖² - ‖a - n‖² + margin]₊; ``relu`` has slope 0 at its kink."""
    near, far = (anchor - positive).pow(2).sum(-1), (anchor - negative).pow(2).sum(-1)
    return _reduce(torch.relu(near - far + margin), reduction)

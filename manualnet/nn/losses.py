"""Losses as modules."""

import torch.nn as nn
from torch import Tensor

from manualnet import functional as F

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HingeLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SquaredError",
    "TripletLoss",
]


class BCELoss(nn.BCELoss):
    """``torch.nn.BCELoss`` with the gradient of :func:`manualnet.functional.binary_cross_entropy`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(nn.BCEWithLogitsLoss):
    """``torch.nn.BCEWithLogitsLoss`` with the gradient of
    :func:`manualnet.functional.binary_cross_entropy_with_logits`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """``torch.nn.CrossEntropyLoss`` with the gradient of :func:`manualnet.functional.cross_entropy`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class HingeLoss(nn.Module):
    """The lecture's hinge loss, :func:`manualnet.functional.hinge_loss`, with its ``margin`` and ``reduction``."""

    functional = F

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        self.margin = margin
        self.reduction = reduction

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        return self.functional.hinge_loss(scores, target, self.margin, self.reduction)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, reduction={self.reduction!r}"


class L1Loss(nn.L1Loss):
    """``torch.nn.L1Loss`` with the gradient of :func:`manualnet.functional.l1_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(nn.MSELoss):
    """``torch.nn.MSELoss`` with the gradient of :func:`manualnet.functional.mse_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class NLLLoss(nn.NLLLoss):
    """``torch.nn.NLLLoss`` with the gradient of :func:`manualnet.functional.nll_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class SquaredError(nn.Module):
    """Half the sum of squares, :func:`manualnet.functional.squared_error`."""

    functional = F

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.functional.squared_error(input, target)


class TripletLoss(nn.Module):
    """The lecture's triplet loss, :func:`manualnet.functional.triplet_loss`, with its ``margin`` and ``reduction``."""

    functional = F

    def __init__(self, margin: float = 1.0, reduction: str = "sum") -> None:
        super().__init__()
        self.margin = margin
        self.reduction = reduction

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return self.functional.triplet_loss(anchor, positive, negative, self.margin, self.reduction)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, reduction={self.reduction!r}"

"""Losses: how far the outputs are from what is wanted, as one number."""

from manualnet.functional.losses.binary_cross_entropy import binary_cross_entropy
from manualnet.functional.losses.binary_cross_entropy_with_logits import binary_cross_entropy_with_logits
from manualnet.functional.losses.cross_entropy import cross_entropy
from manualnet.functional.losses.hinge_loss import hinge_loss
from manualnet.functional.losses.l1_loss import l1_loss
from manualnet.functional.losses.mse_loss import mse_loss
from manualnet.functional.losses.nll_loss import nll_loss
from manualnet.functional.losses.squared_error import squared_error
from manualnet.functional.losses.triplet_loss import triplet_loss

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge_loss",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "squared_error",
    "triplet_loss",
]

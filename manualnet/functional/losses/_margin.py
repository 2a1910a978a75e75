"""What the losses with a margin share."""

import torch
from torch import Tensor


def violated(clamped: Tensor) -> Tensor:
    """1 where max(0, z) is positive and 0 where it is 0; NaN counts as positive, as in ReLU.

    Made of ``clamped``, and no comparison alone, so that autograd knows that the derivative is 0.
    """
    return torch.where(clamped == 0, clamped, 1)

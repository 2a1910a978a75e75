"""The reduction over examples, and its share of the gradient."""

import warnings

from torch import Tensor
from torch.nn._reduction import legacy_get_string

from manualnet.functional._dtypes import widen
from manualnet.functional._errors import check_reduction


def resolve(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """The reduction meant, PyTorch's older arguments and names included."""
    if size_average is not None or reduce is not None:
        return legacy_get_string(size_average, reduce)
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated: use reduction='mean'", stacklevel=3)
        return "mean"
    check_reduction(reduction)
    return reduction


def reduced(loss: Tensor, reduction: str, total: Tensor | int | None = None) -> Tensor:
    """``loss`` summed, divided by ``total`` (its number of elements unless given) for the mean, or as it is."""
    if reduction == "none":
        return loss
    return share(loss.sum(), reduction, loss.numel() if total is None else total)


def divisor(reduction: str, total: Tensor | int) -> Tensor | int:
    """What a sum of losses is divided by, and so every loss's cotangent."""
    return total if reduction == "mean" else 1


def share(grad_out: Tensor, reduction: str, total: Tensor | int) -> Tensor:
    """The cotangent of each single loss: a sum hands its own to every term, a mean divides it by ``total``.

    It broadcasts: after a reduction it stays one number for all terms. A sum of losses becomes the value the same way.
    """
    return widen(grad_out)[0] / total if reduction == "mean" else grad_out

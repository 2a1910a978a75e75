"""The penalties, from primitives that PyTorch differentiates; its ``abs`` has the derivative 0 at 0."""

from torch import Tensor

__all__ = ["elastic_net", "l1_penalty", "l2_penalty"]


def l1_penalty(*tensors: Tensor) -> Tensor:
    first, *others = (w.abs().sum() for w in tensors)
    return sum(others, start=first)


def l2_penalty(*tensors: Tensor) -> Tensor:
    first, *others = (w.square().sum() for w in tensors)
    return sum(others, start=first)


def elastic_net(*tensors: Tensor, beta: float) -> Tensor:
    return beta * l2_penalty(*tensors) + l1_penalty(*tensors)

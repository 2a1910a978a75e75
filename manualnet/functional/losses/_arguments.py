"""Checks that several losses make of their arguments."""

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor


def refuse_gradient(name: str, **arguments: Tensor | None) -> None:
    """As in PyTorch these arguments are constants, and asking for their gradient is an error instead of a silent 0."""
    for argument, t in arguments.items():
        if t is None:
            continue
        backward = t.requires_grad and torch.is_grad_enabled()
        forward = forward_ad.unpack_dual(t).tangent is not None
        if backward or forward:
            raise RuntimeError(f"{name} is not differentiable with respect to {argument}; detach it")


def fits(weight: Tensor | None, shape: torch.Size) -> bool:
    """Whether ``weight`` broadcasts to ``shape`` without stretching it."""
    return weight is None or torch.broadcast_shapes(weight.shape, shape) == shape

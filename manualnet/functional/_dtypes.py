"""Which floating type an operation computes in: rounding once at half precision, and autocast."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
_FLOATS: tuple[torch.dtype, ...] = (torch.float32, *HALF)
_NONE: tuple[torch.dtype, ...] = ()

# PyTorch's autocast lists, restricted to what manualnet has. The composed losses (hinge, triplet …) follow
# PyTorch's losses. Sources: aten/src/ATen/autocast_mode.h and the "Op Eligibility" page of torch.amp.
_LOSSES = frozenset(
    "hinge_loss cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss squared_error "
    "l1_loss triplet_loss".split()
)
_PRODUCTS = frozenset("linear matmul conv2d conv2d_max_pool2d prelu maxout".split())
_TO_FLOAT32 = {"cpu": _LOSSES, "cuda": _LOSSES | {"softmax", "log_softmax", "sum"}}
_TO_HALF = {"cpu": _PRODUCTS, "cuda": _PRODUCTS}


def cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """``tensor`` in another type; one that has it already is not asked, because even that takes its time."""
    return tensor if tensor.dtype is dtype else tensor.to(dtype)


def widen(*tensors) -> tuple:
    """Half-precision tensors as float32, so that a rule of several steps rounds once, at its end; None stays None."""
    # A list, because a generator is resumed for each.
    return tuple([t.float() if t is not None and t.dtype in HALF else t for t in tensors])


def autocast(name: str, *tensors):
    """``tensors`` in the type that PyTorch's autocast would give the operation ``name`` on their device.

    The cast is a node of its own in the graph, before the Function, so that the Function sees one type and autograd
    casts the gradient back. Float64 tensors and what is no tensor pass unchanged, as with PyTorch.
    """
    if not torch._C._is_any_autocast_enabled():
        return tensors
    given, device, dtype, eligible = [], None, None, _NONE
    for t in tensors:
        if isinstance(t, Tensor):
            # Mostly all are on one device: it is asked once, because each question takes its time.
            if t.device != device:
                device = t.device
                dtype, eligible = _target(name, device.type)
            if t.dtype in eligible and t.dtype is not dtype:
                t = t.to(dtype)
        given.append(t)
    return given


def _target(name: str, device: str) -> tuple[torch.dtype | None, tuple[torch.dtype, ...]]:
    """The type that autocast would give the arguments of ``name`` on this device, and which types it would change."""
    # The meta device has no autocast.
    if _has_autocast(device) and torch.is_autocast_enabled(device):
        if name in _TO_HALF.get(device, _PRODUCTS):
            return torch.get_autocast_dtype(device), _FLOATS
        if name in _TO_FLOAT32.get(device, _LOSSES):
            return torch.float32, HALF
    return None, _NONE


_has_autocast = cache(torch.amp.is_autocast_available)


def uncast(tensor: Tensor) -> AbstractContextManager:
    """Keeps autocast away from a rule's own products where the operation is on none of its lists."""
    device = tensor.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()

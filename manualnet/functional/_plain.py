"""Telling ordinary tensors from wrapped, traced and recorded ones."""

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

_functorch = torch._C._functorch


def ordinary(*tensors: Tensor | None) -> bool:
    """True where every tensor holds its own numbers: no subclass, fake, functorch wrapper, dual or traced tensor."""
    if torch.compiler.is_compiling() or forward_ad._current_level >= 0 or _functorch.peek_interpreter_stack():
        return False
    # Loops, here and below: every fast path asks, and a generator costs as much as the questions.
    for t in tensors:
        if t is not None and not (
            type(t) in (Tensor, nn.Parameter)
            and t.layout is torch.strided
            and not _functorch.is_legacy_batchedtensor(t)
            and not torch._is_functional_tensor(t)
        ):
            return False
    return True


def plain(*tensors: Tensor | None) -> bool:
    """True where a fast path may run: nobody records what is done, so ``out=`` and in-place steps are invisible.

    ``torch.is_grad_enabled()`` alone does not tell: it is off in a backward under vmap. A view that negates as it is
    read, and a tensor of zeros without memory, do not have in memory what they stand for.
    """
    if torch.is_grad_enabled() or not ordinary(*tensors):
        return False
    for t in tensors:
        if t is None:
            continue
        if t.is_neg() or t._is_zerotensor():
            return False
    return True


def readable(tensor: Tensor) -> bool:
    """True where a check may look at the values: no device to wait for, no tracer to disturb."""
    return tensor.device.type == "cpu" and ordinary(tensor)

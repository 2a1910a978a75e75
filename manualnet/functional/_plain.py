"""Telling ordinary tensors from wrapped, traced and recorded ones."""

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

_functorch = torch._C._functorch


def ordinary(*tensors: Tensor | None) -> bool:
    """True where every tensor holds its own numbers: no subclass, fake, functorch wrapper, dual or traced tensor."""
    if torch.compiler.is_compiling() or forward_ad._current_level >= 0 or _functorch.peek_interpreter_stack():
        return False
    return all(
        t is None
        or (
            type(t) in (Tensor, nn.Parameter)
            and t.layout is torch.strided
            and not _functorch.is_legacy_batchedtensor(t)
            and not torch._is_functional_tensor(t)
        )
        for t in tensors
    )


def plain(*tensors: Tensor | None) -> bool:
    """True where a fast path may run: nobody records what is done, so ``out=`` and in-place steps are invisible.

    ``torch.is_grad_enabled()`` alone does not tell: it is off in a backward under vmap. A view that negates as it is
    read, and a tensor of zeros without memory, do not have in memory what they stand for.
    """
    if torch.is_grad_enabled() or not ordinary(*tensors):
        return False
    return not any(t is not None and (t.is_neg() or t._is_zerotensor()) for t in tensors)


def readable(tensor: Tensor) -> bool:
    """True where a check may look at the values: no device to wait for, no tracer to disturb."""
    return tensor.device.type == "cpu" and ordinary(tensor)

"""Telling ordinary tensors from wrapped, traced and recorded ones."""

import functools
import operator

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

_functorch = torch._C._functorch
_keys = torch._C._dispatch_keys


def _bits(*keys: str) -> int:
    named = (getattr(torch._C.DispatchKey, key) for key in keys)
    return functools.reduce(operator.or_, (torch._C.DispatchKeySet(key).raw_repr() for key in named))


# The keys that PyTorch gives a tensor whose numbers lie in memory as they are: its device's, and those by which
# operations on it are recorded and cast. What is sparse, wrapped by a transform or functional has others.
_DENSE = _bits(
    *("CPU", "CUDA", "XPU", "MPS", "Meta", "PrivateUse1"),
    *("AutogradCPU", "AutogradCUDA", "AutogradXPU", "AutogradMPS", "AutogradMeta", "AutogradPrivateUse1"),
    *("AutocastCPU", "AutocastCUDA", "AutocastXPU", "AutocastMPS", "AutocastPrivateUse1", "ADInplaceOrView"),
)
_AS_READ = _bits("Negative", "Conjugate", "ZeroTensor")
_TYPES = frozenset((Tensor, nn.Parameter))


def ordinary(*arguments: object) -> bool:
    """True where every tensor holds its own numbers: no subclass, fake, functorch wrapper, dual or traced tensor."""
    return _all_within(_DENSE | _AS_READ, arguments)


def plain(*arguments: object) -> bool:
    """True where a fast path may run: nobody records what is done, so ``out=`` and in-place steps are invisible.

    ``torch.is_grad_enabled()`` alone does not tell: it is off in a backward under vmap. A view that negates as it is
    read, and a tensor of zeros without memory, do not have in memory what they stand for. What is no tensor is passed
    over.
    """
    return not torch.is_grad_enabled() and _all_within(_DENSE, arguments)


def _all_within(keys: int, arguments: tuple) -> bool:
    """Whether no tensor has other keys, and no transform is on."""
    if torch.compiler.is_compiling():  # which cannot trace a question for keys
        return False
    other = 0
    for a in arguments:
        other |= _keys(a).raw_repr() & ~keys if type(a) in _TYPES else isinstance(a, Tensor)
    return not (other or forward_ad._current_level >= 0 or _functorch.peek_interpreter_stack())


def readable(tensor: Tensor) -> bool:
    """True where a check may look at the values: no device to wait for, no tracer to disturb."""
    return tensor.device.type == "cpu" and ordinary(tensor)

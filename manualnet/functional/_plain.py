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
    # The compiler cannot trace a question for keys.
    return not torch.compiler.is_compiling() and _all_within(_DENSE | _AS_READ, arguments)


def held(*arguments: object) -> bool:
    """True where every tensor is ordinary and has in memory what it stands for.

    A view that negates as it is read, and a tensor of zeros without memory, do not. What is no tensor is passed over.
    """
    return not torch.compiler.is_compiling() and _all_within(_DENSE, arguments)


def plain(*arguments: object) -> bool:
    """True where a fast path of a rule may run: every tensor is held, and nobody records what is done to it, so
    ``out=`` and in-place steps are invisible.

    ``torch.is_grad_enabled()`` alone does not tell: it is off in a backward under vmap. The compiler hands a rule
    tensors of its own, and is not asked for: what is asked here takes as long as a small operation.
    """
    return not torch.is_grad_enabled() and _all_within(_DENSE, arguments)


def _all_within(keys: int, arguments: tuple) -> bool:
    """Whether no tensor has other keys, and no transform is on."""
    found = 0
    for a in arguments:
        if type(a) in _TYPES:
            found |= _keys(a).raw_repr()
        elif isinstance(a, Tensor):
            return False
    return not (found & ~keys or forward_ad._current_level >= 0 or _functorch.peek_interpreter_stack())


def readable(tensor: Tensor) -> bool:
    """True where a check may look at the values: no device to wait for, no tracer to disturb."""
    return tensor.device.type == "cpu" and ordinary(tensor)

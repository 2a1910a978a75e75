"""The base class of every hand-written rule."""

from functools import cache
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

_functorch = torch._C._functorch


class Function(torch.autograd.Function):
    """A ``torch.autograd.Function`` that composes with all of PyTorch.

    A subclass writes ``forward`` (without ctx), ``setup_context``, ``backward`` and ``jvp``. It then works under
    vmap, torch.func and their nestings, because the vmap rule is generated from those four, and under torch.compile,
    which keeps the hand-written rule because the class is allowed in the graph.
    """

    generate_vmap_rule = True

    def __init_subclass__(cls) -> None:
        # Without this the compiler rejects a class that has a jvp, and drops the backward of one that has none.
        torch.compiler.allow_in_graph(cls)

    @classmethod
    def apply(cls, *args):
        """The operation, as a node of the graph where somebody differentiates."""
        if _functorch.peek_interpreter_stack() or forward_ad._current_level >= 0:
            return super().apply(*args)
        return _combined(cls).apply(*args)


@cache
def _combined(cls: type[Function]) -> type[torch.autograd.Function]:
    """The same rule with forward and setup_context in one, as a class of the same name.

    Where they are apart PyTorch inspects forward's signature at every call, which takes longer than a small operation.
    Only torch.func and forward mode need them apart.
    """

    def forward(ctx, *args):
        output = cls.forward(*args)
        cls.setup_context(ctx, args, output)
        return output

    def backward(ctx, *cotangents):
        return cls.backward(ctx, *cotangents)

    rule = {"forward": staticmethod(forward), "backward": staticmethod(backward), "__module__": cls.__module__}
    combined: Any = type(cls.__name__, (torch.autograd.Function,), {**rule, "rule_of": cls})
    combined._backward_cls.forward_mode = False
    return combined


def save(ctx, *tensors: Tensor | None) -> None:
    """Save inputs and outputs for ``backward`` and ``jvp`` alike: PyTorch wants the same tuple for both."""
    ctx.save_for_backward(*tensors)
    if getattr(ctx, "forward_mode", True):
        ctx.save_for_forward(*tensors)


def save_factors(ctx, x: Tensor | None, y: Tensor | None, *others: Tensor | None) -> None:
    """Save of a product's factors, its inputs 0 and 1, each where the derivative along the other is wanted; and others.

    ``needs_input_grad`` speaks of backward alone: in forward mode it is False throughout, and both may be needed.
    """
    along_x, along_y, *_ = ctx.needs_input_grad
    if getattr(ctx, "forward_mode", True) and _in_forward_mode():
        along_x = along_y = True
    save(ctx, x if along_y else None, y if along_x else None, *others)


def _in_forward_mode() -> bool:
    # A compiled forward mode leaves the level at -1, and shows itself as torch.func's transform only.
    transform = _functorch.peek_interpreter_stack()
    pushed = transform is not None and transform.key() == _functorch.TransformType.Jvp
    return pushed or forward_ad._current_level >= 0

"""The base class of every hand-written rule."""

import inspect
from types import SimpleNamespace

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

_functorch = torch._C._functorch


class _Positional(inspect.Signature):
    """A signature whose arguments all come, in their places: nothing to look up.

    PyTorch binds the arguments to the signature of ``forward`` at every call, which takes longer than a small
    operation.
    """

    def bind(self, *args, **kwargs):
        if kwargs or len(args) != len(self.parameters):
            return super().bind(*args, **kwargs)
        return SimpleNamespace(args=args, kwargs=kwargs, apply_defaults=_nothing)


def _nothing() -> None:
    pass


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
        parameters = list(inspect.signature(cls.forward).parameters.values())
        setattr(cls.forward, "__signature__", _Positional(parameters))  # noqa: B010


def save(ctx, *tensors: Tensor | None) -> None:
    """Save inputs and outputs for ``backward`` and ``jvp`` alike: PyTorch wants the same tuple for both."""
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def wanted(ctx, i: int) -> bool:
    """Whether what the derivative along input ``i`` needs must be saved.

    ``needs_input_grad`` speaks of backward alone: in forward mode it is False throughout, and all may be needed. A
    compiled forward mode leaves the level at -1, and shows itself as torch.func's transform only.
    """
    transform = _functorch.peek_interpreter_stack()
    pushed = transform is not None and transform.key() == _functorch.TransformType.Jvp
    return ctx.needs_input_grad[i] or pushed or forward_ad._current_level >= 0

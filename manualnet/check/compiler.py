"""Compiles a call, silently and from a clean state, and puts what the compiler says into one line."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh
from manualnet.check.spec import Sample


def compiled(function: Callable, backend: str = "aot_eager", dynamic: bool = False) -> Callable:
    """The function compiled as a whole."""
    # A builtin such as a Function's apply is no code that can be compiled; a call of it is.
    return torch.compile(
        lambda *args, **kwargs: function(*args, **kwargs), fullgraph=True, backend=backend, dynamic=dynamic
    )


def run_compiled(program: Callable, sample: Sample) -> tuple[list[Tensor], list[Tensor]]:
    """Values and gradients, with one backward alone: a compiled one may free what it has used."""
    sample = fresh(sample)
    values = floats(call(program, sample))
    pairs = [(v, c) for v, c in zip(values, cotangents(values), strict=True) if v.requires_grad]
    grads: Sequence[Tensor | None] = [None] * len(sample.inputs)
    if pairs:
        outputs, upstream = zip(*pairs, strict=True)
        grads = torch.autograd.grad(outputs, sample.inputs, upstream, allow_unused=True)
    zeros = map(torch.zeros_like, sample.inputs)
    return [v.detach() for v in values], [z if g is None else g for g, z in zip(grads, zeros, strict=True)]


@contextmanager
def clean_compiler() -> Iterator[None]:
    """Inside, the compiler is silent and remembers nothing, and afterwards it has left nothing behind."""
    silenced = logging.root.manager.disable
    depth = len(torch._C._functorch.get_interpreter_stack() or ())
    logging.disable(logging.CRITICAL)
    # The compiler's trace of itself heeds no level, and pytest's handlers would print it under a failing test.
    trace = logging.getLogger("torch.__trace")
    handlers = list(trace.handlers)
    trace.handlers[:] = [h for h in handlers if type(h).__module__.startswith("torch.")]
    torch._dynamo.reset()
    try:
        yield
    except Exception as error:
        raise _told(error) from None
    finally:
        torch._dynamo.reset()
        trace.handlers[:] = handlers
        logging.disable(silenced)
        torch._C._functorch.pop_dynamic_layer_stack_and_undo_to_depth(depth)
        _leave_forward_mode()


def _leave_forward_mode() -> None:
    """A compilation that fails within forward mode stays in it, and then nobody can enter it any more."""
    if forward_ad._current_level < 0:
        try:
            with forward_ad.dual_level():
                pass
        except RuntimeError:
            torch._C._exit_dual_level(level=0)


class CompilerError(RuntimeError):
    """What went wrong, without the compiler's explanations of itself."""


# The compiler puts the name of its backend or a general explanation first, and the error that was raised behind.
_BEHIND = (
    r"^backend='\w+' raised:\s+(?P<said>.+)",
    r"\bgot (?P<said>\w+\([^\n]+\))\)?$",
    r"Developer debug context: raised exception (?P<said>.+)",
)


def _told(error: Exception) -> Exception:
    for pattern in _BEHIND:
        if found := re.search(pattern, str(error), re.MULTILINE):
            return CompilerError(found["said"])
    return error


def allow(functions: Iterable[type[torch.autograd.Function]]) -> str:
    """The advice to give these Functions to the compiler as they are."""
    calls = " and ".join(f"torch.compiler.allow_in_graph({cls.__name__})" for cls in functions)
    return f"Put {calls} right after the class, or call it on cls in __init_subclass__ of a common base."


def names(functions: Iterable[type[torch.autograd.Function]]) -> str:
    return " and ".join(cls.__name__ for cls in functions)

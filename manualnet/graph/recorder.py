"""Recording what an expression computes, while it runs.

Two doors are watched: Function.apply, which every hand-written rule goes through, and PyTorch's torch functions, which
operators and methods go through. Each step works on detached copies of its inputs, so that afterwards its own piece of
PyTorch's graph hands a gradient back from one node to those before it, and no further.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from manualnet.graph import operations

_functorch = torch._C._functorch
_thread = threading.local()


@dataclass(eq=False)
class Value:
    """A tensor of the expression: given, met on the way, or computed by a step."""

    tensor: Tensor
    operation: str
    step: "Step | None" = None
    name: str | None = None
    hint: str = ""  # what the function calls it that uses it


@dataclass(eq=False)
class Step:
    """One recorded operation. Several steps may belong to one call of a function of manualnet's."""

    call: object
    numbers: tuple
    inputs: list[tuple[Value, Tensor]] = field(default_factory=list)


class Recorder(TorchFunctionMode):
    """Records what runs inside the context in this thread.

    ``values`` maps the id of each tensor to what is known of it; ``body`` is the frame of the expression itself, whose
    local variables name their values.
    """

    def __init__(self, code: CodeType | None, root: FrameType) -> None:
        super().__init__()
        self.values: dict[int, Value] = {}
        self.body: FrameType | None = None
        self._code, self._root = code, root
        self._alive: list[Any] = []  # an id or a frame is known again only as long as its owner lives

    @contextmanager
    def recording(self) -> Iterator[None]:
        with _watched_apply(), _recorded_by(self), torch.inference_mode(False), torch.enable_grad(), self:
            yield

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        known = any(id(t) in self.values for t in tensors)
        differentiable = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
        if active() is not self or not (known or differentiable):
            return func(*args, **kwargs)
        name = operations.name_of(func)
        if name == "requires_grad_":
            return func(*args, **kwargs)
        if operations.in_place(name, kwargs):
            if known:
                raise RuntimeError(
                    f"{name} overwrites a value that the graph needs: give the result a new name, as in y = x + 1, "
                    "and leave out inplace=True"
                )
            return func(*args, **kwargs)
        if name not in operations.MOVES:
            if (call := operations.translation(name, args, kwargs)) is not None:
                with self:  # PyTorch takes the mode off while it is asked; what the function calls counts too
                    return call()
            if differentiable and name in operations.LEAVING and not _same_tensor(name, args):
                raise RuntimeError(f"{name} would lose the gradient: {operations.LEAVING[name]}")
        if operations.makes_new(name):
            return func(*args, **kwargs)
        return self.record(name, func, args, kwargs)

    def record(self, name: str, function: Callable, args: tuple, kwargs: dict, written: bool = False) -> Any:
        """Run ``function`` on detached inputs, and know its results; ``written`` says that it is a Function."""
        if _functorch.peek_interpreter_stack() is not None:
            raise NotImplementedError("trace: what torch.func and vmap do cannot be recorded; write it without them")
        frame = self._call()
        step = Step(frame or object(), _numbers(frame, args))
        originals: dict[int, Tensor] = {}

        def enter(x):
            if not isinstance(x, Tensor):
                return x
            value = self.know(x)
            if value.operation in ("constant", "parameter") and frame is not None:
                value.hint = value.hint or next((k for k, v in frame.f_locals.items() if v is x), "")
            if value.step is not None and value.step.call is step.call:
                inside = value.tensor
            else:
                inside = value.tensor.detach().requires_grad_(value.tensor.requires_grad)
            originals[id(inside)] = x
            step.inputs.append((value, inside))
            return inside

        with _unrecorded():
            # A Function tracks the tensors that are its arguments, and none inside a list.
            args, kwargs = tuple(map(enter, args)) if written else tree_map(enter, args), tree_map(enter, kwargs)
            result = function(*args, **kwargs)

        def leave(x):
            if not isinstance(x, Tensor):
                return x
            if id(x) in originals:
                return originals[id(x)]
            if x.requires_grad and not written and name not in operations.MOVES:
                raise operations.missing(function)
            operation = name if frame is None else frame.f_code.co_name
            self._remember(x, Value(x, operation.strip("_"), step))
            return x

        # What holds no tensor (a torch.Size is a tuple too) comes back as it is.
        return tree_map(leave, result) if any(isinstance(x, Tensor) for x in tree_leaves(result)) else result

    def know(self, x: Tensor) -> Value:
        """What is known of ``x``; a tensor never seen before is a constant, or a parameter if it wants a gradient."""
        if id(x) not in self.values:
            kind = "parameter" if x.requires_grad else "constant"
            with _unrecorded():
                # A copy: an optimizer's step must not change what the graph shows.
                self._remember(x, Value(x.detach().clone().requires_grad_(x.requires_grad), kind))
        return self.values[id(x)]

    def give(self, x: Tensor, name: str) -> Tensor:
        """A copy of ``x`` as an input of the expression."""
        with _unrecorded():
            copy = x.detach().clone()
            copy.requires_grad_(copy.is_floating_point() or copy.is_complex())
        self._remember(copy, Value(copy, "input", name=name))
        return copy

    def _remember(self, x: Tensor, value: Value) -> None:
        self._alive.append(x)
        self.values[id(x)] = value

    def _call(self) -> FrameType | None:
        """The outermost function of manualnet's that is running: all that it does is one node."""
        frame, call = sys._getframe(2), None
        while frame is not None and frame is not self._root:
            if frame.f_globals.get("__name__", "").startswith("manualnet.functional."):
                call = frame
            if frame.f_code is self._code:
                self.body = frame
            frame = frame.f_back  # type: ignore[assignment]
        self._alive.append(call)
        return call


def active() -> Recorder | None:
    """The recorder that watches this thread now."""
    return getattr(_thread, "recorder", None)


def _same_tensor(name: str, args: tuple) -> bool:
    return name in ("as_tensor", "asarray") and isinstance(args[0], Tensor)


def _numbers(frame: FrameType | None, args: tuple) -> tuple:
    """Both operands and alpha of an arithmetic function, None in the place of a tensor; empty for all others."""
    given = {} if frame is None else dict(frame.f_locals)
    if not {"input", "other"} <= given.keys():
        return ()
    operands = given["input"], given["other"], given.get("alpha", 1)
    return tuple(None if isinstance(x, Tensor) else x for x in operands)


@contextmanager
def _unrecorded() -> Iterator[None]:
    with _recorded_by(None), torch._C.DisableTorchFunction():
        yield


@contextmanager
def _recorded_by(recorder: Recorder | None) -> Iterator[None]:
    before, _thread.recorder = active(), recorder
    try:
        yield
    finally:
        _thread.recorder = before


_lock = threading.Lock()
_watchers = 0
_apply: Any = None


def _watched(cls, *args, **kwargs):
    apply, recorder = _apply.__get__(None, cls), active()
    return apply(*args, **kwargs) if recorder is None else recorder.record(cls.__name__, apply, args, kwargs, True)


@contextmanager
def _watched_apply() -> Iterator[None]:
    """Function.apply is everybody's: it is replaced while some thread records, and serves the others as before."""
    global _apply, _watchers
    with _lock:
        if not _watchers:
            _apply = torch.autograd.Function.__dict__["apply"]
            torch.autograd.Function.apply = classmethod(_watched)
        _watchers += 1
    try:
        yield
    finally:
        with _lock:
            _watchers -= 1
            if not _watchers:
                torch.autograd.Function.apply = _apply

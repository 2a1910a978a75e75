"""Shows that a gradient is hand-written: walks the graph, and watches the kernels that a backward pass runs.

>>> import torch
>>> from manualnet import functional as F
>>> x = torch.ones(3, requires_grad=True)
>>> foreign_nodes(F.sigmoid(x)), foreign_nodes(torch.sigmoid(x))
([], ['SigmoidBackward0'])
>>> with BackwardKernels() as kernels:
...     F.sigmoid(x).sum().backward()
>>> kernels.seen
[]
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from manualnet.functional._function import Function

# They move or cast values and compute nothing, and their backward moves or casts them back.
STRUCTURAL = frozenset(
    """
    AccumulateGrad AliasBackward0 CloneBackward0 CopyBackwards PermuteBackward0 ReshapeAliasBackward0 SqueezeBackward0
    SqueezeBackward1 TBackward0 ToCopyBackward0 TransposeBackward0 UnsafeViewBackward0 UnsqueezeBackward0 ViewBackward0
    """.split()
)


def _name(node) -> str:
    return node.name().removeprefix("torch::autograd::")


def nodes(outputs: Tensor | Iterable[Tensor]) -> Iterator:
    """Every node of the graph behind ``outputs``, once."""
    tensors = [outputs] if isinstance(outputs, Tensor) else outputs
    waiting = [t.grad_fn for t in tensors if t.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        yield node
        for child, _ in node.next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                waiting.append(child)


def rule_of(node) -> Any:
    """The Function whose backward a node runs; None for a node of PyTorch's own."""
    cls = getattr(node, "_forward_cls", None)
    return getattr(cls, "rule_of", cls)


def foreign_nodes(outputs: Tensor | Iterable[Tensor], base: type[torch.autograd.Function] = Function) -> list[str]:
    """Names of the nodes whose gradient is neither a ``base``'s nor structural; empty where all is hand-written.

    ``base`` is manualnet's; with ``torch.autograd.Function`` everybody's rules are hand-written except PyTorch's own.
    """

    def written(node) -> bool:
        cls = rule_of(node)
        return cls is not None and issubclass(cls, base) and cls.__module__.partition(".")[0] != "torch"

    return [name for node in nodes(outputs) if not written(node) and (name := _name(node)) not in STRUCTURAL]


class BackwardKernels(TorchDispatchMode):
    """Records the ATen kernels with ``backward`` in their name that run inside the context."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "backward" in func.name():
            self.seen.append(func.name())
        return func(*args, **(kwargs or {}))


class AutogradCalls(TorchDispatchMode):
    """Counts how often PyTorch is asked for a derivative inside the context: each run of the engine, by whatever name
    it is called, and each kernel in forward mode.

    >>> x = torch.ones(3, requires_grad=True)
    >>> with AutogradCalls() as calls:
    ...     _ = torch.func.vjp(torch.sin, x)[1](x), torch.func.vmap(torch.sin)(x), torch.autograd.grad(x.sum(), x)
    >>> calls.count
    2
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __enter__(self):
        self._engine = torch.autograd.Variable._execution_engine
        torch.autograd.Variable._execution_engine = _Counted(self._engine, self)  # type: ignore[assignment]
        return super().__enter__()

    def __exit__(self, *error):
        torch.autograd.Variable._execution_engine = self._engine
        return super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += forward_ad._current_level >= 0
        return func(*args, **(kwargs or {}))


class _Counted:
    """The engine behind ``torch.autograd.grad``, ``Tensor.backward`` and ``torch.func``, whose runs are counted."""

    def __init__(self, engine, calls: AutogradCalls) -> None:
        self._engine, self._calls = engine, calls

    def run_backward(self, *args, **kwargs):
        self._calls.count += 1
        return self._engine.run_backward(*args, **kwargs)

    def __getattr__(self, name: str):
        return getattr(self._engine, name)

"""The nodes of rules behind a result: each ``torch.autograd.Function`` in its graph, what it takes and gives back.

What the engine hands on is not what a rule returned: the engine sums, casts and moves a gradient to fit its input. So
some properties look at a rule itself.

>>> import torch
>>> class Twice(torch.autograd.Function):
...     @staticmethod
...     def forward(ctx, x):
...         return 2 * x
...     @staticmethod
...     def backward(ctx, grad_out):
...         return 2.0 * grad_out.double()
>>> x = torch.ones(3, requires_grad=True)
>>> [node] = rule_nodes(y := Twice.apply(x))
>>> input_forms(node), call_rule(node, cotangents_of(node))[0].dtype
([Form(shape=(3,), dtype=torch.float32, device=device(type='cpu'))], torch.float64)
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.utils import _pytree as pytree

from manualnet.check.property import DoesNotApply
from manualnet.handwritten import nodes, rule_of


class Form(NamedTuple):
    """What a gradient shares with its input."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, t: Any) -> "Form":
        """Of a tensor, or of what a node tells of one."""
        return cls(tuple(t.shape), t.dtype, t.device)

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} of shape {self.shape}"


def rule_nodes(result) -> list:
    """The nodes that a ``torch.autograd.Function`` made, in the graph behind a result; nearest the result first."""
    outputs = [t for t in pytree.tree_leaves(result) if isinstance(t, Tensor) and t.requires_grad]
    return [node for node in nodes(outputs) if isinstance(node, BackwardCFunction)]


def rule_name(node) -> str:
    return rule_of(node).__name__


def input_forms(node) -> list[Form | None]:
    """The form of every argument that needs a gradient; ``None`` for the others, tensors or not."""
    edges = iter([(function, i) for function, i in node.next_functions if function is not None])
    return [Form.of((e := next(edges))[0]._input_metadata[e[1]]) if need else None for need in node.needs_input_grad]


def cotangents_of(node, make: Callable = torch.ones) -> list[Tensor]:
    """Cotangents for every output of a node; the engine would make them where none arrives."""
    return [make(f.shape, dtype=f.dtype, device=f.device) for f in map(Form.of, node._input_metadata)]


def call_rule(node, cotangents: Sequence[Tensor | None]) -> tuple:
    """What the rule itself returns, an element an argument, whatever the engine would make of it."""
    with torch.no_grad():
        return as_tuple(node.apply(*cotangents))


def as_tuple(returned) -> tuple:
    return tuple(returned) if isinstance(returned, tuple | list) else (returned,)


@contextmanager
def around_rules(around: Callable[[Any, tuple, Callable[[], Any]], Any]) -> Iterator[None]:
    """Inside, the engine calls ``around(node, cotangents, run)`` in the place of every rule; ``run()`` runs it."""
    kept = {name: getattr(BackwardCFunction, name) for name in ("apply", "apply_boxed")}

    def replaced(name: str) -> Callable:
        def run(node, *args):
            cotangents = tuple(args[0]) if name == "apply_boxed" else args
            return around(node, cotangents, lambda: kept[name](node, *args))

        return run

    try:
        for name in kept:
            setattr(BackwardCFunction, name, replaced(name))
        yield
    finally:
        for name, method in kept.items():
            setattr(BackwardCFunction, name, method)


def no_rule() -> DoesNotApply:
    return DoesNotApply("no torch.autograd.Function takes part in its gradient")

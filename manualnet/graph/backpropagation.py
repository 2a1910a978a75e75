"""Backpropagation, one node after the other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from manualnet.graph.text import local_derivative, one_line

if TYPE_CHECKING:
    from manualnet.graph.graph import Edge, Graph, Node


@dataclass(frozen=True, eq=False)
class Step:
    """One node hands its gradient on: to each of its inputs, local derivative × upstream = downstream.

    Attributes:
        number, count: this is step ``number`` of ``count``.
        node: the node that is handled.
        upstream: its gradient, complete by now.
        downstream: what it hands on along each of ``node.edges``; None where no gradient passes.
        accumulated: by name, what each node has received up to here, this step included.
        complete: the names of the nodes whose gradient nothing will be added to.
        passed: what has gone back along each edge up to here.
    """

    graph: "Graph" = field(repr=False)
    number: int
    count: int
    node: "Node"
    upstream: Tensor
    downstream: tuple[Tensor | None, ...]
    accumulated: dict[str, Tensor] = field(repr=False)
    complete: frozenset[str] = field(repr=False)
    passed: dict["Edge", Tensor] = field(repr=False)

    @property
    def title(self) -> str:
        """Which step it is, and of which node."""
        return f"Step {self.number} of {self.count}: {self.node.name} = {self.node.formula}"

    def _repr_svg_(self) -> str:
        return self.graph.svg(self)

    def __str__(self) -> str:
        lines = [self.title, f"  upstream {one_line(self.upstream)}"]
        for edge, grad in zip(self.node.edges, self.downstream, strict=True):
            if grad is None:
                continue
            name, local = edge.source.name, ", ".join(local_derivative(edge, digits=6).splitlines())
            line = f"  to {name}: {local} × {one_line(self.upstream)} = {one_line(grad)}"
            if name not in self.complete:
                line += f"; {one_line(self.accumulated[name])} so far"
            elif self.accumulated[name] is not grad:
                line += f"; together {one_line(self.accumulated[name])}"
            lines.append(line)
        return "\n".join(lines)


def run(graph: "Graph", gradient: Tensor | float | Sequence | None) -> tuple[Step, ...]:
    """Hand the gradient back through ``graph`` in reverse order, so that each node has all of its own first."""
    start = _start(graph.output.tensor, gradient)
    for node in graph.nodes:
        node.upstream = None
        for edge in node.edges:
            edge.downstream = None
    graph.output.upstream = start
    # The nodes lie in the order of their making, so that all that a value went into is handled before the value is.
    reached = _reached(graph)
    handled = [node for node in reversed(graph.nodes) if node in reached and node.edges]
    waiting = Counter(edge.source for node in handled for edge in node.edges if edge.differentiable)
    steps: list[Step] = []
    for number, node in enumerate(handled, 1):
        assert node.upstream is not None
        ways = [edge for edge in node.edges if edge.differentiable]
        for edge, grad in zip(ways, node.pull(node.upstream, ways), strict=True):
            source, edge.downstream = edge.source, grad
            source.upstream = grad if source.upstream is None else source.upstream + grad
            waiting[source] -= 1
        so_far = {n.name: n.upstream for n in graph.nodes if n.upstream is not None}
        complete = frozenset(n.name for n in graph.nodes if n.upstream is not None and not waiting[n])
        passed = {edge: edge.downstream for edge in graph.edges if edge.downstream is not None}
        steps.append(Step(graph, number, len(handled), node, node.upstream, node.downstream, so_far, complete, passed))
    return tuple(steps)


def _reached(graph: "Graph") -> set["Node"]:
    """The nodes that a gradient arrives at."""
    reached = {graph.output}
    for node in reversed(graph.nodes):
        if node in reached:
            reached |= {edge.source for edge in node.edges if edge.differentiable}
    return reached


def _start(output: Tensor, gradient: Tensor | float | Sequence | None) -> Tensor:
    if not output.requires_grad:
        raise RuntimeError("backpropagate: the result depends on nothing that wants a gradient")
    if gradient is None:
        if output.numel() != 1:
            raise RuntimeError(
                f"backpropagate: the result has the shape {tuple(output.shape)}; give a gradient of that shape to "
                "start from, because 1 is implied for a single number only"
            )
        return torch.ones_like(output)
    start = torch.as_tensor(gradient, dtype=output.dtype, device=output.device).detach()
    if start.shape != output.shape:
        raise RuntimeError(
            f"backpropagate: the gradient must have the result's shape {tuple(output.shape)}, "
            f"but has {tuple(start.shape)}"
        )
    return start

"""The graph: nodes, the edges between them, and the gradients that pass."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from manualnet.graph.backpropagation import Step, run
from manualnet.graph.operations import ELEMENTWISE
from manualnet.graph.table import table
from manualnet.graph.text import formula, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Edge:
    """The way from ``source`` into ``target``. A value used twice has two edges.

    Attributes:
        source, target: the nodes.
        differentiable: whether a gradient passes (none does to a class index, a constant or a detached value).
        downstream: local derivative × upstream gradient, once the graph has gone backward.
    """

    def __init__(self, source: "Node", target: "Node", inside: Tensor, differentiable: bool) -> None:
        self.source, self.target, self.differentiable = source, target, differentiable
        self.inside = inside  # the source's value, as a leaf of the target's own piece of PyTorch's graph
        self.downstream: Tensor | None = None

    @property
    def elementwise(self) -> bool:
        """Whether each element of the target depends on that of the source in its place, and on no other."""
        return self.inside.shape == self.target.tensor.shape and self.target.operation in ELEMENTWISE

    @cached_property
    def local(self) -> Tensor | None:
        """∂target/∂source, known from the forward pass alone; None where no gradient passes.

        A number for numbers; of an elementwise operation its derivative, in the shape of the source; otherwise the
        Jacobian, in the shape of the target followed by that of the source. It is the operation's own backward, given
        the cotangent 1 for one element of the target after the other (for all at once where it is elementwise).
        """
        if not self.differentiable:
            return None
        out, like = self.target.tensor, self.inside
        if self.elementwise:
            return self._pull(torch.ones_like(out))
        rows = []
        for i in range(out.numel()):
            unit = torch.zeros(out.numel(), dtype=out.dtype, device=out.device)
            unit[i] = 1
            rows.append(self._pull(unit.reshape(out.shape)))
        return torch.stack(rows).reshape(out.shape + like.shape) if rows else like.new_zeros(out.shape + like.shape)

    def _pull(self, cotangent: Tensor) -> Tensor:
        return self.target.pull(cotangent, [self])[0]

    def __repr__(self) -> str:
        return f"Edge({self.source.name} → {self.target.name})"


class Node:
    """One value of the expression.

    Attributes:
        name: what it is called.
        operation: the function that made it, or ``"input"``, ``"constant"``, ``"parameter"``.
        value: what it is.
        edges: the ways that it was computed along, in the order of the function's arguments.
        upstream: the gradient of the result with respect to this value, over all of its uses; None until the graph has
            gone backward, and where none arrives.
    """

    def __init__(
        self, name: str, operation: str, tensor: Tensor, numbers: tuple, ways: Sequence[tuple["Node", Tensor, bool]]
    ) -> None:
        self.name, self.operation, self.numbers = name, operation, numbers
        self.tensor = tensor  # the end of its own piece of PyTorch's graph, which begins at the edges
        self.value = tensor.detach()
        self.edges = tuple(Edge(source, self, inside, path) for source, inside, path in ways)
        self.upstream: Tensor | None = None

    @property
    def inputs(self) -> tuple["Node", ...]:
        """The nodes that it was computed from, one for each edge."""
        return tuple(edge.source for edge in self.edges)

    @property
    def local(self) -> tuple[Tensor | None, ...]:
        """The local derivative with respect to each of its inputs."""
        return tuple(edge.local for edge in self.edges)

    @property
    def downstream(self) -> tuple[Tensor | None, ...]:
        """What it hands on to each of its inputs: local derivative × upstream gradient."""
        return tuple(edge.downstream for edge in self.edges)

    @property
    def formula(self) -> str:
        """How it was computed, as in ``x + y``; empty for what was given."""
        return formula(self.operation, [n.name for n in self.inputs], self.numbers) if self.edges else ""

    def pull(self, cotangent: Tensor, edges: Sequence[Edge]) -> list[Tensor]:
        """Hand a cotangent back along ``edges``, through the operation's own backward."""
        inside = [edge.inside for edge in edges]
        return list(
            torch.autograd.grad(
                self.tensor, inside, cotangent, retain_graph=True, allow_unused=True, materialize_grads=True
            )
        )

    def __repr__(self) -> str:
        made = f" = {self.formula}" if self.edges else f" ({self.operation})"
        return f"Node({self.name}{made}: {one_line(self.value)})"


class Graph:
    """What an expression computed, and the gradients that flow back.

    ``graph["q"]`` is the node of that name; ``print(graph)`` shows all as a table; a notebook draws it.

    Attributes:
        nodes: all nodes, inputs first, then in the order in which they were computed.
        output: the node of the result.
        steps: the steps of backpropagation, if it has run.
    """

    def __init__(self, nodes: tuple[Node, ...], output: Node) -> None:
        self.nodes, self.output = nodes, output
        self.steps: tuple[Step, ...] = ()
        if output.value.numel() == 1 and output.tensor.requires_grad:
            self.backpropagate()

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes that were given: inputs, constants and parameters."""
        return tuple(node for node in self.nodes if not node.edges)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, in the order of the nodes they lead to."""
        return tuple(edge for node in self.nodes for edge in node.edges)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(f"the graph has no node {name!r}; it has {', '.join(node.name for node in self.nodes)}")

    def backpropagate(self, gradient: Tensor | float | Sequence | None = None) -> tuple[Step, ...]:
        """Go backward from the result, one node a step, and keep the gradients in the nodes and edges.

        Args:
            gradient: where to start from, in the shape of the result; 1 unless given.

        Returns:
            The steps, to go through in a loop; each can be printed and drawn.

        Raises:
            RuntimeError: no gradient came and the result is not a single number, as in PyTorch; its shape is not the
                result's; or the result depends on nothing that wants a gradient.

        >>> from manualnet.graph import trace
        >>> for step in trace(lambda x, y, z: (x + y) * z, x=-2, y=5, z=-4).backpropagate():
        ...     print(step)
        Step 1 of 2: mul1 = add1 × z
          upstream 1
          to add1: -4 × 1 = -4
          to z: 3 × 1 = 3
        Step 2 of 2: add1 = x + y
          upstream -4
          to x: 1 × -4 = -4
          to y: 1 × -4 = -4
        """
        self.steps = run(self, gradient)
        return self.steps

    def draw(self, step: Step | None = None, *, gradients: bool = True) -> "Figure":
        """Draw the graph: values above the line, gradients below, on each edge local × upstream = downstream.

        Args:
            step: draw what is known after this step alone, and highlight what it handles.
            gradients: False draws the forward pass: values and local derivatives, which need no loss.

        Returns:
            A matplotlib figure; ``figure.savefig("graph.png")`` writes it. All frames of a graph have one size.
        """
        from manualnet.graph.draw import draw

        return draw(self, step, gradients)

    def svg(self, step: Step | None = None, *, gradients: bool = True) -> str:
        """The picture of :meth:`draw` as SVG, with its text as text."""
        from manualnet.graph.draw import svg

        return svg(self.draw(step, gradients=gradients))

    def table(self, *, gradients: bool = True) -> str:
        """The graph as a table; without gradients it is what the forward pass alone knows."""
        return table(self, gradients)

    def _repr_svg_(self) -> str:
        return self.svg()

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"Graph({self.output.name}: {len(self.nodes)} nodes, {len(self.edges)} edges)"

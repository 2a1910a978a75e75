"""What a picture says at each place, in one frame and in all of them."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from manualnet.graph.text import local_derivative, summary, symbol

if TYPE_CHECKING:
    from manualnet.graph.backpropagation import Step
    from manualnet.graph.graph import Edge, Graph, Node

# Place and weight tell values from gradients as well as colour does: a print in grey is enough.
STYLES: dict[str, dict[str, Any]] = {
    style: {"fontfamily": ["DejaVu Sans", "sans-serif"], "parse_math": False, "usetex": False, **look}
    for style, look in {
        "sign": {"fontsize": 11.5, "color": "#000000"},
        "value": {"fontsize": 10, "color": "#005b8e"},
        "gradient": {"fontsize": 10, "color": "#b34700", "fontweight": "bold"},
        "local": {"fontsize": 8.5, "color": "#000000", "fontstyle": "italic"},
        "downstream": {"fontsize": 8.5, "color": "#b34700", "fontweight": "bold"},
        "title": {"fontsize": 11, "color": "#000000"},
    }.items()
}

LEGEND = [
    ("above: value", "value"),
    ("below: gradient", "gradient"),
    ("on an edge: local derivative", "local"),
    ("× upstream = downstream", "downstream"),
]


_SHORT = 12  # characters that stay on one line


class Labels:
    """The texts of one frame: after ``step``, or of everything, or without ``gradients`` of the forward pass alone."""

    def __init__(self, graph: "Graph", step: "Step | None", gradients: bool) -> None:
        self.graph, self._step = graph, step
        self._shown = gradients
        result = graph.output.name
        short = len(result) > 3 and all(node.name != "L" for node in graph.nodes)
        self._result = "L" if short else result

    @property
    def title(self) -> str:
        return self._whole(self._shown) if self._step is None else self._step.title

    def titles(self) -> set[str]:
        """All titles of this graph's frames."""
        return {self.title, self._whole(True), self._whole(False), *(step.title for step in self.graph.steps)}

    def _whole(self, gradients: bool) -> str:
        name = self.graph.output.name
        name = name if name == self._result else f"{self._result} = {name}"
        return f"{name}: values and {'gradients' if gradients else 'local derivatives'}"

    def handled(self, part: "Node | Edge") -> bool:
        """Whether this frame is about it."""
        return self._step is not None and (part is self._step.node or part in self._step.node.edges)

    def sign(self, node: "Node") -> str:
        return _picture(symbol(node.operation, node.numbers)) if node.edges else node.name

    def value(self, node: "Node") -> str:
        return _equation(node.name, _numbers(node.value)) if node.edges else _numbers(node.value)

    def gradient(self, node: "Node") -> str:
        """The gradient under a node; what has arrived so far, if more will come."""
        if not self._shown:
            return ""
        return self._final_gradient(node) if self._step is None else self._gradient_after(node, self._step)

    def gradients(self, node: "Node") -> set[str]:
        """All texts under a node in the frames of this graph, so that all frames leave the same room."""
        frames = {*self.graph.steps, *([self._step] if self._step is not None else [])}
        return {self._final_gradient(node), *(self._gradient_after(node, step) for step in frames)}

    def local(self, edge: "Edge") -> str:
        """The local derivative above an edge."""
        if not edge.differentiable:
            return ""
        name = f"∂{edge.target.name}/∂{edge.source.name}"
        return _equation(name, _picture(local_derivative(edge)))

    def downstream(self, edge: "Edge") -> str:
        """What passes back, below an edge."""
        if not self._shown:
            return ""
        return self._downstream(edge) if self._step is None else self._downstream_after(edge, self._step)

    def downstreams(self, edge: "Edge") -> set[str]:
        """All texts under an edge in the frames of this graph."""
        return {self._downstream(edge), *([self._downstream_after(edge, self._step)] if self._step is not None else [])}

    def _final_gradient(self, node: "Node") -> str:
        return "" if node.upstream is None else _equation(self._of(node), _numbers(node.upstream))

    def _gradient_after(self, node: "Node", step: "Step") -> str:
        if node.name not in step.accumulated:
            return ""
        more = "" if node.name in step.complete else " + …"
        return _equation(self._of(node), _numbers(step.accumulated[node.name])) + more

    def _downstream(self, edge: "Edge") -> str:
        return _product(self._of(edge.target), edge.target.upstream, edge.downstream)

    def _downstream_after(self, edge: "Edge", step: "Step") -> str:
        upstream = step.accumulated.get(edge.target.name)
        return _product(self._of(edge.target), upstream, step.passed.get(edge))

    def _of(self, node: "Node") -> str:
        return f"∂{self._result}/∂{node.name}"


def _product(name: str, upstream: Tensor | None, downstream: Tensor | None) -> str:
    if upstream is None or downstream is None:
        return ""
    scalar = upstream.dim() == downstream.dim() == 0
    return "× " + _equation(_numbers(upstream) if scalar else name, _numbers(downstream))


def _equation(name: str, text: str) -> str:
    return f"{name} = {text}" if len(text) <= _SHORT and "\n" not in text else f"{name} =\n{text}"


def _numbers(value: Tensor) -> str:
    return _picture(summary(value))


def _picture(text: str) -> str:
    """With the minus sign in the place of the hyphen, and a long vector upright, which saves width."""
    text = text.replace("-", "−")
    vector = text.startswith("[") and not text.startswith("[[") and "\n" not in text
    return text.replace(", ", ",\n") if vector and len(text) > _SHORT else text

"""Backpropagation through a network's layers, frame by frame: a traced graph from the top down, one value a line."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from experiments.lessons.figures import style
from experiments.lessons.show.values import written
from manualnet.graph import Edge, Graph, Node, Step

WIDTH, LINE, TOP, BOTTOM = 7.0, 1.05, 0.5, 0.75  # inches
MIDDLE, LEFT, TEXT, BOX = 2.75, 0.45, 3.17, 0.3
LONG = 52  # characters that fit beside the line
GRADIENT = "#b34700"  # the style's red, darker, because it is small print


def chain(
    graph: Graph,
    path: Sequence[str],
    step: Step | None = None,
    *,
    gradients: bool = True,
    known_as: Mapping[str, str] | None = None,
    factors: Mapping[str, str] | None = None,
) -> Figure:
    """The nodes of ``path`` under each other, what else goes into them at their left, on each edge the product.

    Args:
        graph: what ``manualnet.graph.trace`` gave.
        path: names of nodes, each an input of the next, from the data to the error.
        step: draw what is known after this step of backpropagation, and highlight it; else draw everything.
        gradients: False draws the forward pass: values and local derivatives.
        known_as: what the lecture calls a node's gradient, such as δ_k.
        factors: what the local derivative of an input at the left is, where it is a large Jacobian.
    """
    height = TOP + BOTTOM + LINE * (len(path) - 1) + 0.5
    figure = style.new(WIDTH, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    frame = _Frame(axes, graph, step, gradients, known_as or {}, factors or {})
    for i, name in enumerate(path):
        node, y = graph[name], TOP + 0.35 + LINE * i
        frame.node(node, MIDDLE, y)
        frame.beside(node, y)
        for edge in node.edges:
            if i and edge.source.name == path[i - 1]:
                frame.down(edge, y)
            elif edge.source.name not in path:
                frame.across(edge, y)
    whole = "values and gradients" if gradients else "forward: values and local derivatives"
    axes.text(0.1, 0.12, whole if step is None else _plain(step.title), va="top", fontsize=11)
    legend = (
        "black: value     italic: local derivative     bold: gradient     on an edge: local × upstream = downstream"
    )
    axes.text(0.1, height - 0.1, legend, va="bottom", fontsize=8.5, color=style.GREY)
    return figure


class _Frame:
    """Writes one frame."""

    def __init__(
        self,
        axes: Axes,
        graph: Graph,
        step: Step | None,
        gradients: bool,
        known_as: Mapping[str, str],
        factors: Mapping[str, str],
    ) -> None:
        self.axes, self.graph, self.step, self.gradients = axes, graph, step, gradients
        self.known_as, self.factors = known_as, factors

    def node(self, node: Node, x: float, y: float) -> None:
        now = self.step is not None and node is self.step.node
        width = 2 * BOX if node.edges else 1.6 * BOX
        box = FancyBboxPatch(
            (x - width / 2, y - BOX / 2),
            width,
            BOX,
            boxstyle=f"round,pad=0,rounding_size={BOX / 2 if node.edges else 0.04}",
            facecolor=style.YELLOW if now else "white",
            edgecolor=style.BLACK,
            linewidth=2 if now else 1,
        )
        self.axes.add_patch(box)
        self.axes.text(x, y, _plain(node.name), ha="center", va="center", fontsize=10)

    def beside(self, node: Node, y: float) -> None:
        made = f"{_plain(node.formula)} = " if node.edges else ""
        self._write(TEXT, y - 0.09, f"{made}{written(node.value)}")
        self._write(TEXT, y + 0.09, self.gradient(node), gradient=True, bold=True)

    def gradient(self, node: Node) -> str:
        known = node.name in self.step.accumulated if self.step is not None else node.upstream is not None
        if not (known and self.gradients):
            return ""
        name = f"∂{self.graph.output.name}/∂{_plain(node.name)}"
        name = f"{self.known_as[node.name]} = {name}" if node.name in self.known_as else name
        return f"{name} = {written(node.upstream)}"

    def down(self, edge: Edge, y: float) -> None:
        self._arrow(edge, (MIDDLE, y - LINE + BOX / 2), (MIDDLE, y - BOX / 2))
        if edge.differentiable:
            self._write(TEXT, y - LINE / 2 - 0.09, f"{self.name(edge)} = {written(edge.local)}", italic=True)
        if self.passed(edge):
            product = f"× {written(edge.target.upstream)} = {written(edge.downstream)}"
            if len(product) > LONG:
                product = product.replace(" =", "\n   =")
            self._write(TEXT, y - LINE / 2 + 0.02, product, gradient=True, va="top")

    def across(self, edge: Edge, y: float) -> None:
        self.node(edge.source, LEFT, y)
        self._arrow(edge, (LEFT + 0.8 * BOX, y), (MIDDLE - BOX, y))
        left, inner = LEFT - 0.8 * BOX, LEFT + BOX
        self._write(left, y - 0.2, _lines(edge.source.value), va="bottom")
        if edge.differentiable:
            local = self.factors.get(edge.source.name) or written(edge.local)
            self._write(inner, y - 0.03, f"{self.name(edge)} = {local}", italic=True, va="bottom")
        if self.passed(edge):
            upstream = self.known_as.get(edge.target.name) or written(edge.target.upstream)
            self._write(inner, y + 0.03, f"× {upstream} =", gradient=True, va="top")
            self._write(left, y + 0.2, _lines(edge.downstream), gradient=True, va="top")

    def name(self, edge: Edge) -> str:
        return f"∂{_plain(edge.target.name)}/∂{_plain(edge.source.name)}"

    def passed(self, edge: Edge) -> bool:
        return self.gradients and edge.downstream is not None and (self.step is None or edge in self.step.passed)

    def _arrow(self, edge: Edge, start: tuple[float, float], end: tuple[float, float]) -> None:
        now = self.step is not None and edge.differentiable and edge in self.step.node.edges
        # The gradient goes against the arrows of the values.
        look = {
            "arrowstyle": "<-" if now else "->",
            "color": GRADIENT if now else style.GREY,
            "linewidth": 2.2 if now else 1.1,
        }
        self.axes.annotate("", end, start, arrowprops={**look, "shrinkA": 0, "shrinkB": 0})

    def _write(
        self, x: float, y: float, text: str, *, gradient: bool = False, bold: bool = False, italic: bool = False, **look
    ) -> None:
        colour, weight = GRADIENT if gradient else style.BLACK, "bold" if bold else "normal"
        look = {"va": "center", "color": colour, "fontweight": weight, "linespacing": 1.1, "fontsize": 8.5, **look}
        self.axes.text(x, y, text, fontstyle="italic" if italic else "normal", **look)


def _lines(value: Tensor | None) -> str:
    """A matrix, a line a row."""
    return written(value).replace("], [", "],\n [")


def _plain(name: str) -> str:
    for letter, small in (("_j", "ⱼ"), ("_k", "ₖ"), ("_1", "₁"), ("W1", "W₁"), ("W2", "W₂")):
        name = name.replace(letter, small)
    return name

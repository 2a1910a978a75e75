"""Drawing a graph with matplotlib, through its objects alone: no pyplot, no state that others share."""

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from manualnet.graph.labels import LEGEND, STYLES, Labels
from manualnet.graph.layout import Layout, Part, arrange

if TYPE_CHECKING:
    from manualnet.graph.backpropagation import Step
    from manualnet.graph.graph import Edge, Graph, Node

# Colours of Okabe and Ito, which the colour-blind tell apart; the gradient's vermilion is darker, to be read on white.
PAPER, INK, LINE, HIGHLIGHT, GRADIENT = "#ffffff", "#000000", "#8c8c8c", "#f0e442", STYLES["gradient"]["color"]
MARGIN, SPACE, ACROSS, DOWN, PAD = 14.0, 12.0, 16.0, 9.0, 3.0  # points
BOX = 26.0
ARROW = 6.0


def draw(graph: "Graph", step: "Step | None", gradients: bool) -> Figure:
    """The picture of ``graph``; see :meth:`Graph.draw`."""
    figure = Figure(dpi=144, facecolor=PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    pen = _Pen(axes, canvas)
    labels = Labels(graph, step, gradients)
    boxes = {node: max(BOX, pen.size(labels.sign(node), "sign")[0] + 14) for node in graph.nodes}
    parts = {node: _node(pen, labels, node, boxes[node]) for node in graph.nodes}
    ways = [(edge.source, edge.target, _label(pen, labels, edge)) for edge in graph.edges]
    late = [node for node in graph.inputs if node.operation != "input"]
    layout = arrange(parts, ways, late, across=ACROSS, down=DOWN)
    titles = [pen.size(text, "title") for text in labels.titles()]
    legend = [pen.size(text, style) for text, style in LEGEND]
    wide = max(layout.width, *(w for w, _ in titles), sum(w + SPACE for w, _ in legend) - SPACE)
    top = MARGIN + max(h for _, h in titles) + SPACE
    width, height = wide + 2 * MARGIN, top + layout.height + SPACE + legend[0][1] + MARGIN
    figure.set_size_inches(width / 72, height / 72)
    axes.set(xlim=(0, width), ylim=(height, 0))
    # A page may be dark, and a style may say that saved figures are: the paper is a part of the picture.
    axes.add_patch(Rectangle((0, 0), width, height, facecolor=PAPER, edgecolor="none", zorder=0))
    pen.move((width - layout.width) / 2, top)
    _draw_edges(pen, labels, layout, boxes)
    for node, part in parts.items():
        _draw_node(pen, labels, node, part, boxes[node])
    pen.move(0, 0)
    pen.text(labels.title, MARGIN, MARGIN, "title", "left", "top")
    x = MARGIN
    for (text, style), (w, _) in zip(LEGEND, legend, strict=True):
        pen.text(text, x, height - MARGIN, style, "left", "bottom")
        x += w + SPACE
    return figure


def svg(figure: Figure) -> str:
    """The figure as SVG that is the same for the same graph, with text that can be searched and read aloud."""
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "manualnet"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


class _Pen:
    """Writes and measures in points, from an origin that moves."""

    def __init__(self, axes: Axes, canvas: FigureCanvasAgg) -> None:
        self.axes, self._canvas = axes, canvas
        self._x = self._y = 0.0
        self._sizes: dict[tuple[str, str], tuple[float, float]] = {}

    def move(self, x: float, y: float) -> None:
        self._x, self._y = x, y

    def at(self, x: float, y: float) -> tuple[float, float]:
        return x + self._x, y + self._y

    def size(self, text: str, style: str) -> tuple[float, float]:
        if not text:
            return 0.0, 0.0
        if (text, style) not in self._sizes:
            written = self.axes.text(0, 0, text, **STYLES[style])
            box, scale = written.get_window_extent(self._canvas.get_renderer()), 72 / self._canvas.figure.dpi
            written.remove()
            self._sizes[text, style] = box.width * scale, box.height * scale
        return self._sizes[text, style]

    def text(self, text: str, x: float, y: float, style: str, across: str = "center", along: str = "center") -> None:
        if text:
            look = {**STYLES[style], "ha": across, "va": along}
            self.axes.text(*self.at(x, y), text, **look)


def _part(pen: _Pen, above: list[tuple[str, str]], below: list[tuple[str, str]], box: float = 0.0) -> Part:
    """Room for the widest and highest of the texts that some frame shows above and below the line."""
    sizes = [[pen.size(text, style) for text, style in side] for side in (above, below)]
    up, low = (max((h for _, h in side), default=0.0) for side in sizes)
    width = max([box, *(w for side in sizes for w, _ in side)])
    edge = BOX / 2 if box else 0.0
    return Part(width, edge + PAD + up, edge + PAD + low)


def _node(pen: _Pen, labels: Labels, node: "Node", box: float) -> Part:
    return _part(pen, [(labels.value(node), "value")], [(text, "gradient") for text in labels.gradients(node)], box)


def _label(pen: _Pen, labels: Labels, edge: "Edge") -> Part:
    return _part(pen, [(labels.local(edge), "local")], [(text, "downstream") for text in labels.downstreams(edge)])


def _draw_node(pen: _Pen, labels: Labels, node: "Node", part: Part, box: float) -> None:
    x, y = pen.at(part.x, part.y)
    made = bool(node.edges)
    shape = FancyBboxPatch(
        (x - box / 2, y - BOX / 2),
        box,
        BOX,
        boxstyle=f"round,pad=0,rounding_size={BOX / 2 if made else 3}",
        facecolor=HIGHLIGHT if labels.handled(node) else PAPER,
        edgecolor=INK if made else LINE,
        linewidth=2.2 if labels.handled(node) else 1.2,
        zorder=3,
    )
    pen.axes.add_patch(shape)
    pen.text(labels.sign(node), part.x, part.y, "sign")
    pen.text(labels.value(node), part.x, part.y - BOX / 2 - PAD, "value", "center", "bottom")
    pen.text(labels.gradient(node), part.x, part.y + BOX / 2 + PAD, "gradient", "center", "top")


def _draw_edges(pen: _Pen, labels: Labels, layout: Layout, boxes: dict["Node", float]) -> None:
    into: dict[Part, list[Part]] = {}
    for route in layout.routes:
        into.setdefault(route[-1], []).append(route[-2])
    for edge, route in zip(labels.graph.edges, layout.routes, strict=True):
        target, label = route[-1], route[-2]
        beside = sorted(into[target], key=lambda part: part.y)
        # Each edge ends at a height of its own, in the order in which they come.
        end = (beside.index(label) + 1) * BOX / (len(beside) + 1) - BOX / 2
        vertices = [pen.at(route[0].x + boxes[edge.source] / 2, route[0].y)]
        codes = [Path.MOVETO]
        stops = [(part, part.y) for part in route[:-1]] + [(target, target.y + end)]
        for (part, y), (following, then) in pairwise(stops):
            right, left = _column(layout, part)[1], _column(layout, following)[0]
            middle = (right + left) / 2
            vertices += [pen.at(right, y), pen.at(middle, y), pen.at(middle, then), pen.at(left, then)]
            codes += [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        tip = pen.at(target.x - boxes[edge.target] / 2, target.y + end)
        vertices.append((tip[0] - ARROW, tip[1]))
        codes.append(Path.LINETO)
        # Where edges leave a node together, the highlighted one lies on top.
        colour, weight, order = (GRADIENT, 2.4, 2) if labels.handled(edge) else (LINE, 1.1, 1)
        dashes = "solid" if edge.differentiable else (0, (3, 2))
        line = {"edgecolor": colour, "linewidth": weight, "linestyle": dashes, "capstyle": "butt"}
        pen.axes.add_patch(PathPatch(Path(vertices, codes), fill=False, zorder=order, **line))
        head = [tip, (tip[0] - ARROW, tip[1] - ARROW / 2), (tip[0] - ARROW, tip[1] + ARROW / 2)]
        pen.axes.add_patch(Polygon(head, closed=True, facecolor=colour, edgecolor="none", zorder=order))
        pen.text(labels.local(edge), label.x, label.y - PAD, "local", "center", "bottom")
        pen.text(labels.downstream(edge), label.x, label.y + PAD, "downstream", "center", "top")


def _column(layout: Layout, part: Part) -> tuple[float, float]:
    return next(column for column in layout.columns if column[0] <= part.x <= column[1])

"""The graph as a table of text."""

from itertools import zip_longest
from typing import TYPE_CHECKING

from torch import Tensor

from manualnet.graph.text import local_derivative, summary

if TYPE_CHECKING:
    from manualnet.graph.graph import Graph

_HEAD = ["node", "operation", "value", "upstream", "input", "local", "× upstream = downstream"]
_FORWARD = [0, 1, 2, 4, 5]


def table(graph: "Graph", gradients: bool) -> str:
    """A row a node, and one more for each further input; a matrix takes several lines."""
    rows = [_HEAD]
    for node in graph.nodes:
        row = [node.name, node.formula or node.operation, _cell(node.value), _cell(node.upstream)]
        for edge in node.edges:
            rows.append([*row, edge.source.name, local_derivative(edge, digits=6), _cell(edge.downstream)])
            row = [""] * len(row)
        if not node.edges:
            rows.append([*row, "", "", ""])
    if not gradients or graph.output.upstream is None:
        rows = [[row[i] for i in _FORWARD] for row in rows]
    cells = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max(len(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
    head, *body = [_line(line, widths) for row in cells for line in zip_longest(*row, fillvalue="")]
    return "\n".join([head, _line(["─" * width for width in widths], widths), *body])


def _cell(x: Tensor | None) -> str:
    return "" if x is None else summary(x, digits=6)


def _line(parts, widths: list[int]) -> str:
    return "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()

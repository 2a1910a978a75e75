"""The graph in a terminal."""

import torch

from manualnet import functional as F
from manualnet.graph import trace

from .expressions import GOLDEN_A, LECTURE, lecture, normal, two_layers


def cells(table: str) -> list[list[str]]:
    head, rule, *rows = table.splitlines()
    edges = [i for i in range(len(rule)) if rule[i] == "─" and (i == 0 or rule[i - 1] == " ")]
    return [[row[a:b].strip() for a, b in zip(edges, [*edges[1:], None], strict=True)] for row in [head, *rows]]


def test_s59_as_a_table():
    assert cells(str(trace(lecture, **LECTURE))) == [
        ["node", "operation", "value", "upstream", "input", "local", "× upstream = downstream"],
        ["x", "input", "-2", "-4", "", "", ""],
        ["y", "input", "5", "-4", "", "", ""],
        ["z", "input", "-4", "3", "", "", ""],
        ["q", "x + y", "3", "-4", "x", "1", "-4"],
        ["", "", "", "", "y", "1", "-4"],
        ["f", "q × z", "-12", "1", "q", "-4", "-4"],
        ["", "", "", "", "z", "3", "3"],
    ]


def test_the_forward_table_knows_no_gradient():
    graph = trace(lecture, **LECTURE)
    head, *rows = cells(graph.table(gradients=False))
    assert head == ["node", "operation", "value", "input", "local"]
    assert rows[5:] == [["f", "q × z", "-12", "q", "-4"], ["", "", "", "z", "3"]]
    several = trace(lambda x: x * 2, x=[1.0, 2.0])
    assert cells(str(several))[0] == head
    several.backpropagate([1.0, 1.0])
    assert "upstream" in str(several)


def test_golden_a_shows_its_deltas_to_six_digits():
    table = str(trace(two_layers, **GOLDEN_A))
    for number in ("-0.0227263, 0.0123645", "-0.129864", "0.135365", "0.479684", "0.5, 0.802184"):
        assert number in table


def test_large_tensors_are_abbreviated():
    graph = trace(lambda x, w: F.conv2d(x, w).sum(), x=normal(2, 3, 8, 8), w=normal(4, 3, 3, 3))
    table = str(graph)
    assert max(map(len, table.splitlines())) < 160
    assert "shape (2, 3, 8, 8)" in table
    assert "Jacobian (2, 4, 6, 6, 4, 3, 3, 3)" in table
    # An elementwise derivative has the shape of the value, and is summed up as a value is.
    relu = str(trace(lambda x: F.relu(x).sum(), x=torch.linspace(-1, 1, 24).reshape(2, 3, 4)))
    assert "Jacobian (2, 3, 4, 2, 3, 4)" not in relu
    assert relu.count("shape (2, 3, 4)") > 3
    assert "[0, 1, …, 9]" in str(trace(lambda x: x.double() * 1, x=torch.arange(10)))


def test_what_gets_no_gradient_is_said():
    assert "no gradient" in str(trace(lambda s, t: F.cross_entropy(s, t), s=normal(2, 3), t=torch.tensor([0, 1])))


def test_short_forms():
    graph = trace(lecture, **LECTURE)
    assert repr(graph) == "Graph(f: 5 nodes, 4 edges)"
    assert [repr(n) for n in (graph["x"], graph["q"])] == ["Node(x (input): -2)", "Node(q = x + y: 3)"]
    assert repr(graph.edges[0]) == "Edge(x → q)"
    assert trace(lambda x: x * 0, x=-1.0).output.value.item() == 0
    assert "-0" not in str(trace(lambda x: x * 0, x=-1.0).output)

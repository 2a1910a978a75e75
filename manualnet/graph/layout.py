"""Where the parts of a picture go: layers from left to right, and within a layer one below the other.

Long edges get a place in each layer that they pass, and each label a place of its own (Sugiyama, Tagawa, Toda 1981), so
that nothing can overlap; the heights come from isotonic regression, which moves the parts as little as their distances
allow.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx

SWEEPS = 12


@dataclass(eq=False)
class Part:
    """A node, a label or a place that an edge passes, around its line at height ``y``."""

    width: float = 0.0
    above: float = 5.0
    below: float = 5.0
    x: float = 0.0
    y: float = 0.0


@dataclass
class Layout:
    """Every edge's parts from its source to its target, and the size of the whole."""

    routes: list[list[Part]]
    columns: list[tuple[float, float]]
    width: float
    height: float


def arrange(
    nodes: Mapping[Any, Part],
    edges: Sequence[tuple[Any, Any, Part]],
    late: Collection[Any],
    *,
    across: float,
    down: float,
) -> Layout:
    """Set x and y of all parts, y downward from 0; ``across`` and ``down`` are the gaps between them.

    An edge is its source, its target, and the part that is its label, which stands just before the target. A node that
    is ``late``, without a source of its own, stands as far to the right as it can, all others to the left.
    """
    order = nx.DiGraph()
    order.add_nodes_from(nodes)
    order.add_edges_from((source, target) for source, target, _ in edges)
    # Even layers hold nodes, odd ones labels.
    layer = {name: 2 * i for i, names in enumerate(nx.topological_generations(order)) for name in names}
    for name in late:
        layer[name] = min((layer[target] for target in order[name]), default=2) - 2
    layers: list[list[Part]] = [[] for _ in range(max(layer.values()) + 1)]
    for name, part in nodes.items():
        layers[layer[name]].append(part)
    routes = []
    for source, target, label in edges:
        route = [nodes[source], *(Part() for _ in range(layer[source] + 1, layer[target] - 1)), label, nodes[target]]
        for i, part in enumerate(route[1:-1], layer[source] + 1):
            layers[i].append(part)
        routes.append(route)
    links = nx.Graph()
    links.add_nodes_from(part for parts in layers for part in parts)
    links.add_edges_from(pair for route in routes for pair in pairwise(route))
    _order(layers, links)
    _heights(layers, links, down)
    columns, width = _columns(layers, across)
    return Layout(routes, columns, width, _shift(layers))


def _order(layers: list[list[Part]], links: nx.Graph) -> None:
    """Sort each layer by where its neighbours stand, to and fro, and keep the order with the fewest crossings."""
    best, fewest = [list(parts) for parts in layers], _crossings(layers, links)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        pairs = list(pairwise(layers))
        for before, after in pairs if forward else [(b, a) for a, b in reversed(pairs)]:
            place = {part: i for i, part in enumerate(before)}
            centre = {}
            for i, part in enumerate(after):
                at = [place[n] for n in links[part] if n in place]
                centre[part] = sum(at) / len(at) if at else i
            after.sort(key=centre.__getitem__)
        if (crossings := _crossings(layers, links)) < fewest:
            best, fewest = [list(parts) for parts in layers], crossings
    layers[:] = best


def _crossings(layers: list[list[Part]], links: nx.Graph) -> int:
    count = 0
    for before, after in pairwise(layers):
        place = {part: i for i, part in enumerate(after)}
        ends = [[place[n] for n in links[part] if n in place] for part in before]
        count += sum(a > b for i, upper in enumerate(ends) for lower in ends[i + 1 :] for a in upper for b in lower)
    return count


def _heights(layers: list[list[Part]], links: nx.Graph, down: float) -> None:
    """From the right to the left, put each part level with what it leads to, as far as the distances allow.

    One way only: the mean of both sides would turn a long straight edge into a staircase.
    """
    after: list[Part] = []
    for parts in reversed(layers):
        ahead = set(after)
        wanted: list[float] = []
        for part in parts:
            targets = [n.y for n in links[part] if n in ahead]
            wanted.append(sum(targets) / len(targets) if targets else max(wanted, default=0.0))
        _place(parts, wanted, down)
        after = parts


def _place(parts: list[Part], wanted: list[float], down: float) -> None:
    """Set the heights in their order as near to ``wanted`` as can be (pool adjacent violators)."""
    offset, offsets = 0.0, []
    for i, part in enumerate(parts):
        offset += parts[i - 1].below + down + part.above if i else 0.0
        offsets.append(offset)
    blocks: list[list[float]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        block = [want - offset]
        while blocks and sum(blocks[-1]) / len(blocks[-1]) > sum(block) / len(block):
            block = blocks.pop() + block
        blocks.append(block)
    level = [sum(block) / len(block) for block in blocks for _ in block]
    for part, y, offset in zip(parts, level, offsets, strict=True):
        part.y = y + offset


def _columns(layers: list[list[Part]], across: float) -> tuple[list[tuple[float, float]], float]:
    x, columns = 0.0, []
    for parts in layers:
        width = max(part.width for part in parts)
        for part in parts:
            part.x = x + width / 2
        columns.append((x, x + width))
        x += width + across
    return columns, x - across


def _shift(layers: list[list[Part]]) -> float:
    """Begin at 0, and give the height of all."""
    every = [part for parts in layers for part in parts]
    top = min(part.y - part.above for part in every)
    for part in every:
        part.y -= top
    return max(part.y + part.below for part in every)

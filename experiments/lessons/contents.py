"""The lecture's parts in its order, and how to find a row.

>>> find("S24").title, find("s24").number
('Hinge loss', 24)
"""

from experiments.lessons.row import Part, Row
from experiments.lessons.rows import (
    activations,
    backpropagation,
    descent,
    gradient,
    graphs,
    hinge,
    layers,
    losses,
    minimise,
    networks,
    regularisation,
)

PARTS = [
    *(Part("Definition", module) for module in (layers, activations, networks)),
    *(Part("Goals", module) for module in (minimise, hinge, regularisation, losses)),
    *(Part("Training", module) for module in (gradient, descent, backpropagation, graphs)),
]
ROWS = [row for part in PARTS for row in part.rows]


def find(name: str) -> Row:
    """The row of that name, such as ``S24``, ``s24`` or ``24``; KeyError if there is none."""
    return {row.name: row for row in ROWS}["S" + name.strip().upper().removeprefix("S")]


def part_of(row: Row) -> Part:
    """The part that holds the row."""
    return next(part for part in PARTS if row in part.rows)

"""Numbers, tensors and formulas as short text."""

from math import prod
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from manualnet.graph.graph import Edge

_SIGNS = {"add": "+", "sub": "−", "mul": "×", "matmul": "@"}
_SYMBOLS = {"sigmoid": "σ", "sum": "Σ", "relu": "ReLU", "elu": "ELU", "gelu": "GELU", "prelu": "PReLU"}
_SHOWN = 4  # rows, columns or elements that are written out
_CALCULATED = 1024  # elements of a Jacobian that is calculated for a label


def number(x: Tensor | float, digits: int) -> str:
    """A number in at most ``digits`` significant digits."""
    x = x.item() if isinstance(x, Tensor) else x
    # Adding 0.0 makes a negative zero positive.
    return f"{x + 0.0:.{digits}g}" if isinstance(x, float) else str(x)


def summary(x: Tensor, *, digits: int = 4) -> str:
    """The numbers of a small tensor, a line a row; of a large one its shape and its range."""
    if x.dim() == 0:
        return number(x, digits)
    if x.dim() == 1 and x.numel():
        shown = [number(v, digits) for v in x] if len(x) <= _SHOWN else [number(x[0], digits), number(x[1], digits)]
        shown += ["…", number(x[-1], digits)] if len(x) > _SHOWN else []
        return f"[{', '.join(shown)}]"
    if x.dim() == 2 and x.numel() and max(x.shape) <= _SHOWN:
        lines = [summary(row, digits=digits) for row in x]
        return f"[{lines[0]}]" if len(x) == 1 else "\n".join(lines)
    extent = f"\n{number(x.min(), digits)} … {number(x.max(), digits)}" if x.numel() else ""
    return f"shape {tuple(x.shape)}{extent}"


def one_line(x: Tensor) -> str:
    """A tensor as it stands in a line of text."""
    lines = summary(x, digits=6).splitlines()
    return f"[{', '.join(lines)}]" if lines[1:] and lines[0].startswith("[") else ", ".join(lines)


def local_derivative(edge: "Edge", *, digits: int = 4) -> str:
    """The numbers of a local derivative; a large Jacobian, or one of more than two axes, by name and shape alone."""
    if not edge.differentiable:
        return "no gradient"
    shape = tuple(edge.target.value.shape + edge.source.value.shape)
    if not edge.elementwise and (len(shape) > 2 or prod(shape) > _CALCULATED):
        return f"Jacobian {shape}"
    assert edge.local is not None
    return summary(edge.local, digits=digits)


def symbol(operation: str, numbers: tuple) -> str:
    """The sign in a node: ``+``, ``× 2``, ``1 −``, ``σ``, or the operation's name."""
    sign = _SIGNS.get(operation)
    if sign is None or not numbers:
        return sign or _SYMBOLS.get(operation, operation)
    left, right, alpha = (None if n is None else number(n, 4) for n in numbers)
    scaled = right if alpha == "1" else f"{alpha} · {right or ''}"
    return " ".join(part for part in (left, sign, scaled) if part)


def formula(operation: str, names: list[str], numbers: tuple) -> str:
    """How a node was computed: ``x + y``, ``q × 2``, ``sigmoid(a)``, ``x[…]``."""
    if operation == "getitem":
        return f"{names[0]}[…]"
    if operation not in _SIGNS or (not numbers and len(names) != 2):
        return f"{operation}({', '.join(names)})"
    waiting = iter(names)
    left, right = (next(waiting) if n is None else number(n, 4) for n in (*numbers[:2], None, None)[:2])
    alpha = numbers[2] if numbers else 1
    return f"{left} {_SIGNS[operation]} {right if alpha == 1 else f'{number(alpha, 4)} · {right}'}"

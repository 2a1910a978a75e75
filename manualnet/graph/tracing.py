"""From an expression to its graph."""

import inspect
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from manualnet.graph.graph import Graph, Node
from manualnet.graph.recorder import Recorder, Step, Value, active


def trace(expression: Callable[..., Tensor], /, **inputs: Any) -> Graph:
    """Run ``expression`` on named inputs once, and give the graph of what it computed.

    Each call of a function of ``manualnet.functional`` is a node; so is each operator or torch function that one of
    them stands in for (``x @ y``, ``torch.sigmoid(x)``, ``x.sum()``; ``x / 2`` is x times ½, ``x ** 2`` is x times
    itself), each Function of your own, and each move of values (a view, an index, a cast). A value is named by
    :func:`name`, else by the local variable of ``expression`` that holds it at its end, else by its operation. Tensors
    that ``expression`` finds elsewhere are constants, or parameters if they require a gradient, which then is computed.

    Args:
        expression: takes the inputs by name and returns one tensor; may be a module.
        inputs: tensors, numbers, or lists of numbers, which become float64. The expression works on copies: your
            tensors do not change and get no ``.grad``. Every floating input gets a gradient in the graph.

    Returns:
        The graph. If its result is a single number, the gradients are computed from 1; from any other shape,
        ``graph.backpropagate(gradient)`` starts with a gradient of that shape, as in PyTorch.

    Raises:
        NotImplementedError: an operation that needs a gradient has no hand-written one, or a transform of
            ``torch.func`` is in the expression.
        RuntimeError: a value is overwritten in place, or leaves the graph (``.item()``) although it needs a gradient.
        TypeError: an input is neither tensor nor numbers, or the result is not one tensor.
        ValueError: a name is taken.

    Source: S59, S60.

    >>> graph = trace(lambda a, b: (a * b).sum(), a=[1.0, 2.0], b=[3.0, 4.0])
    >>> [node.name for node in graph.nodes], graph.output.value.item()
    (['a', 'b', 'mul1', 'sum1'], 11.0)
    >>> graph["a"].upstream
    tensor([3., 4.], dtype=torch.float64)
    """
    tensors = {name: _tensor(name, value) for name, value in inputs.items()}
    recorder = Recorder(getattr(expression, "__code__", None), sys._getframe())
    with recorder.recording():
        given = {name: recorder.give(t, name) for name, t in tensors.items()}
        result = expression(**given)
        if not isinstance(result, Tensor):
            kind = type(result).__name__
            what = f"{kind} of {len(result)}" if isinstance(result, tuple | list) else kind
            raise TypeError(f"trace: the expression must return one tensor, but gave {what}: return the loss alone")
        recorder.know(result)
    _name_values(recorder, expression)
    return _build(recorder, list(given.values()), result)


def name(name: str, tensor: Tensor) -> Tensor:
    """Give a value of a traced expression its name; the tensor comes back, and outside of a trace nothing happens.

    >>> graph = trace(lambda x, y, z: name("q", x + y) * z, x=-2, y=5, z=-4)
    >>> graph["q"].value
    tensor(3., dtype=torch.float64)
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"name: {name!r} must be given to a tensor, but {type(tensor).__name__} came")
    if (recorder := active()) is not None:
        value = recorder.know(tensor)
        if value.name not in (None, name):
            raise ValueError(f"name: the value has the name {value.name!r} already, so it cannot be {name!r}")
        if any(other.name == name and other is not value for other in recorder.values.values()):
            raise ValueError(f"name: {name!r} is the name of another value already; choose a different one")
        value.name = name
    return tensor


def _tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    try:
        return torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"trace: {name} must be a tensor, a number or a list of numbers, but {type(value).__name__} came"
        ) from None


def _name_values(recorder: Recorder, expression: Callable) -> None:
    """Name what has no name yet by the variables of the expression, and by those around it."""
    taken = {value.name for value in recorder.values.values()}
    local = recorder.body.f_locals if recorder.body is not None else {}
    for name, tensor in [*local.items(), *_around(expression)]:
        value = recorder.values.get(id(tensor))
        if value is not None and value.name is None and name not in taken:
            value.name = name
            taken.add(name)


def _around(expression: Callable) -> Iterable[tuple[str, Any]]:
    """Names and tensors that the expression can see from where it was written, and those of the modules there."""
    scope: dict[str, Any] = {}
    if isinstance(expression, nn.Module):
        scope = {"": expression}
    elif inspect.isfunction(expression) or inspect.ismethod(expression):
        with suppress(ValueError):  # a variable that is not set yet
            around = inspect.getclosurevars(expression)
            scope = {**around.globals, **around.nonlocals}
    for name, thing in scope.items():
        if isinstance(thing, nn.Module):
            yield from thing.named_parameters(name)
            yield from thing.named_buffers(name)
        else:
            yield name, thing


def _build(recorder: Recorder, given: list[Tensor], result: Tensor) -> Graph:
    """Nodes for the inputs, and for all that the result depends on, in the order in which they were computed."""
    inputs, output = [recorder.values[id(t)] for t in given], recorder.know(result)
    edges: dict[Value, list[tuple[Value, Tensor, bool]]] = {value: [] for value in inputs}
    waiting = [output]
    while waiting:
        value = waiting.pop()
        edges[value] = _edges(value)
        waiting += [source for source, _, _ in edges[value] if source not in edges]
    values = [value for value in recorder.values.values() if value in edges]
    names = {value.name for value in values}
    nodes: dict[Value, Node] = {}
    for value in dict.fromkeys([*inputs, *values]):
        numbers = value.step.numbers if value.step is not None else ()
        label = value.name or _free(value.hint or value.operation, names)
        names.add(label)
        ways = tuple((nodes[source], inside, path) for source, inside, path in edges[value])
        nodes[value] = Node(label, value.operation, value.tensor, numbers, ways)
    return Graph(tuple(nodes.values()), nodes[output])


def _free(operation: str, names: set[str | None]) -> str:
    base, n = operation.lower(), 1
    while f"{base}{n}" in names:
        n += 1
    return f"{base}{n}"


def _edges(value: Value) -> list[tuple[Value, Tensor, bool]]:
    """What a value was computed from: the inputs of its step, and of the steps before it within the same call."""
    found: list[tuple[Value, Tensor, bool]] = []
    seen: set[tuple[Step, bool]] = set()

    def collect(step: Step, differentiable: bool) -> None:
        if (step, differentiable) in seen:
            return
        seen.add((step, differentiable))
        for source, inside in step.inputs:
            path = differentiable and inside.requires_grad
            if source.step is not None and source.step.call is step.call:
                collect(source.step, path)
            else:
                found.append((source, inside, path))

    if value.step is not None:
        collect(value.step, value.tensor.requires_grad)
    # What a function also reads of an input, to draw a mask by it, is no second way of the gradient.
    crossed = {source for source, _, path in found if path}
    read = {source: (source, inside, path) for source, inside, path in found if source not in crossed}
    return [way for way in found if way[2] or read.pop(way[0], None) is not None]

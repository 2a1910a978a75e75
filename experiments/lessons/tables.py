"""What each layer of a network takes in and gives out, and the error that comes back to it (S52)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from manualnet import functional as F

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Layer:
    """A line of the table, in the words of the lecture's rough notation."""

    inputs: Tensor  # its "in", which is a word of Python's own
    raw: Tensor
    act: Tensor
    err: Tensor


def layer_table(
    layers: Sequence[tuple[Tensor, Activation]], x: Tensor, loss: Callable[[Tensor], Tensor]
) -> list[Layer]:
    """In, raw, act and err = dL/draw of every layer of a network, whatever its depth.

    Args:
        layers: weights, with the biases in the first column, and activation of each.
        x: an example that begins with a 1, or a row an example.
        loss: a number, of the last layer's act.

    >>> x, W = torch.tensor([1.0, 3.0]), torch.tensor([[0.0, 1.0], [1.0, -1.0]])
    >>> for line in layer_table([(W, F.relu)], x, lambda y: F.squared_error(y, torch.tensor([1.0, 0.0]))):
    ...     print(line.inputs.tolist(), line.raw.tolist(), line.act.tolist(), line.err.tolist())
    [1.0, 3.0] [3.0, -2.0] [3.0, 0.0] [2.0, 0.0]
    """
    passed, inputs = [], x
    for W, activation in layers:
        raw = F.linear(inputs, W.detach().requires_grad_())
        act = activation(raw)
        passed.append((inputs.detach(), raw, act.detach()))
        inputs = F.pad(act, (1, 0), value=1.0)
    errs = torch.autograd.grad(loss(act), [raw for _, raw, _ in passed])
    return [Layer(i, raw.detach(), act, err) for (i, raw, act), err in zip(passed, errs, strict=True)]

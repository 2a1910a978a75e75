"""The shapes on the way through a network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Passage:
    """A layer that was passed: what went in and came out, and the weights and biases that it holds."""

    layer: str
    given: tuple[int, ...]
    result: tuple[int, ...]
    parameters: int
    chained: bool  # it was given the very tensor that the layer before gave out


def passages(network: nn.Module, x: Tensor) -> list[Passage]:
    """Run ``x`` through the network and note every layer that holds no other, in the order in which they are run.

    >>> for p in passages(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.zeros(2, 3)):
    ...     print(p.layer, p.given, p.result, p.parameters)
    Linear (2, 3) (2, 4) 16
    ReLU (2, 4) (2, 4) 0
    """
    found: list[Passage] = []
    last: list[Tensor] = [x]

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        count = sum(p.numel() for p in layer.parameters())
        shapes = tuple(inputs[0].shape), tuple(output.shape)
        found.append(Passage(type(layer).__name__, *shapes, count, inputs[0] is last[0]))
        last[0] = output

    hooks = [m.register_forward_hook(note) for m in network.modules() if not list(m.children())]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return found

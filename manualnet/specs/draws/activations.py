"""Calls of the activations."""

from collections.abc import Callable
from typing import Any

import torch

from manualnet.check.spec import Sample
from manualnet.specs.draws.draw import Draw


def elementwise(**options: Callable[[Draw], Any]) -> Callable[[Draw], Sample]:
    """A tensor of any shape; each option is drawn, or left to its default."""

    def draw(d: Draw) -> Sample:
        x = d.tensor(d.shape())
        return Sample((x,), {name: option(d) for name, option in options.items() if d.integer(0, 1)})

    return draw


def slope(d: Draw) -> float:
    """Of the part below 0, negative ones included."""
    return d.number(-2, 2)


def in_place(d: Draw) -> bool:
    return d.rarely()


def approximation(d: Draw) -> str:
    return "erf" if d.rarely() else d.one_of("none", "tanh")


def prelu(d: Draw) -> Sample:
    shape = d.shape()
    channels = shape[1] if len(shape) > 1 else 1
    slopes = d.one_of((1,), (), (channels,))
    wrong = d.rarely() and (channels + 1,)
    return Sample((d.tensor(shape), d.tensor(wrong or slopes)))


def distribution(d: Draw) -> Sample:
    """Along any axis, rarely one that is not there; cast to another type at times."""
    shape = d.shape()
    beyond = int(d.rarely())
    kwargs: dict[str, Any] = {"dim": d.integer(-len(shape) - beyond, max(0, len(shape) - 1 + beyond))}
    if not d.often():
        kwargs["dtype"] = d.one_of(torch.float64, torch.float32)
    return Sample((d.tensor(shape),), kwargs)


def maxout(d: Draw) -> Sample:
    """Valid calls only: what the twin is composed of refuses others in its own words.

    Their sums are exact, or else rounding would choose the winner of a tie.
    """
    inputs, pieces, out = d.integer(0, 4), d.integer(1, 4), d.integer(0, 4)
    x = d.tensor((*d.shape(0, 2), inputs), rounds=False)
    bias = d.tensor((pieces, out), rounds=False) if d.integer(0, 1) else None
    return Sample((x, d.tensor((pieces, out, inputs), rounds=False), bias))

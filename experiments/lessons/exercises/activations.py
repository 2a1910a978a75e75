"""The exercises on activations."""

import torch

from experiments.lessons.exercises.exercise import Exercise, given, numbers
from manualnet.check import Sample


def _elementwise() -> list[Sample]:
    return [
        Sample((numbers(4, 3),), label="a batch"),
        Sample((given(0.7),), label="one number"),
        Sample((numbers(0, 3),), label="an empty batch"),
    ]


SIGMOID = Exercise(
    "sigmoid",
    "y = 1 / (1 + e^-x)",
    torch.sigmoid,
    _elementwise,
    {
        "gradient form": "Return one gradient, that of x, of the shape and the type of x.",
        "gradient": "Differentiate 1/u with u = 1 + e^-x, then say the result with y alone, which was saved for it. At "
        "x = 0 the slope is .25, at x = 2 it is .104994 (S4). The slope is one factor of the chain rule; "
        "which is the other?",
        "extremes": "e^-x overflows for x = -1000, where y is just 0. Can the slope be said with the saved y, without "
        "an exponential?",
    },
)

TANH = Exercise(
    "tanh",
    "y = (e^x - e^-x) / (e^x + e^-x)",
    torch.tanh,
    _elementwise,
    {
        "gradient form": "Return one gradient, that of x, of the shape and the type of x.",
        "gradient": "Use the quotient rule on sinh x / cosh x, whose derivatives are cosh x and sinh x, then say the "
        "result with y alone, which was saved for it. At x = 0 the slope is 1, at x = 1 it is .419974 "
        "(S7). The slope is one factor of the chain rule; which is the other?",
        "extremes": "e^x overflows for x = 1000, where y is just 1. Can the slope be said with the saved y, without "
        "an exponential?",
    },
)


def _relu() -> list[Sample]:
    return [*_elementwise(), Sample((given(-1.0, 0.0, 2.0),), label="numbers below, at and above 0")]


RELU = Exercise(
    "relu",
    "y = x where x > 0, else 0",
    torch.relu,
    _relu,
    {
        "gradient form": "Return one gradient, that of x, of the shape and the type of x.",
        "gradient": "Draw y over x: it has two pieces, and each has one slope. What arrives from above is multiplied "
        "by the slope of the piece that x lies on.",
        "kinks": "At x = 0 two pieces meet. The convention at the top of relu.py says to which of them 0 belongs: "
        "does your comparison include 0 or not?",
    },
)


def _prelu() -> list[Sample]:
    return [
        Sample((numbers(4, 3), given(0.25)), label="a batch"),
        Sample((numbers(2, 3, 2, seed=1), given(2.0)), label="a slope above 1"),
        Sample((given(-0.7), given(0.25)), label="one number"),
        Sample((numbers(0, 3), given(0.25)), label="an empty batch"),
        Sample((given(-1.0, 0.0, 2.0), given(0.25)), label="numbers below, at and above 0"),
    ]


PRELU = Exercise(
    "prelu",
    "y = x where x > 0, else a x, with a learned",
    torch.nn.functional.prelu,
    _prelu,
    {
        "gradient of x": "There are two cases, and the condition is on x, also for a > 1: what is dy/dx in each?",
        "gradient of a": "For which elements does y change when a changes, and by how much? One a serves all of them, "
        "so what they say adds up. For x = [-1, 3, -2] and an upstream gradient of ones it is -3.",
        "gradient form": "Return the gradients of x and of a. a is a single number for all elements of x, so its "
        "gradient is a single number, too: what becomes of the elements' shares?",
        "kinks": "x = 0 belongs to the second case, y = a x: what is its slope? Does your comparison treat 0 as the "
        "forward does?",
    },
)

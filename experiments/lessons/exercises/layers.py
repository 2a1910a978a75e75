"""The exercises on layers."""

import torch
from torch import Tensor

from experiments.lessons.exercises.exercise import Exercise, given, numbers
from manualnet.check import Sample


def _linear() -> list[Sample]:
    weight, bias = numbers(2, 3, seed=1), numbers(2, seed=2)
    return [
        Sample((numbers(4, 3), weight, bias), label="a batch"),
        Sample((numbers(3, 3, seed=3), numbers(3, 3, seed=4), numbers(3, seed=5)), label="square matrices"),
        Sample((numbers(1, 3), weight, bias), label="one example"),
        Sample((numbers(0, 3), weight, bias), label="an empty batch"),
    ]


LINEAR = Exercise(
    "linear",
    "Y = X Wᵀ + b",
    torch.nn.functional.linear,
    _linear,
    {
        "gradient of x": "x_ni reaches every unit j of its own example, by way of w_ji: add up over the units. Which "
        "sum of products is that, of (N, out) and (out, in) to (N, in)?",
        "gradient of weight": "w_ji meets x_ni in every example n, and acts on unit j alone (S50): add up over the "
        "examples. Which sum of products is that, of (N, out) and (N, in) to (out, in)? It is a "
        "sum, not a mean.",
        "gradient of bias": "b_j is added in every row of the batch, each time with the factor 1: what do the rows' "
        "gradients add up to? It is a sum, not a mean.",
        "gradient form": "Return the gradients of x, weight and bias, in this order and of their shapes. The forward "
        "copies the bias, of shape (out), into each of N rows: its gradient gathers what all the copies "
        "get.",
    },
)


def _batch_norm() -> list[Sample]:
    weight, bias = given(1.5, -0.5, 2.0), given(0.1, 0.2, 0.3)
    return [
        Sample((numbers(6, 3), weight, bias, 1e-5), label="a batch"),
        Sample((numbers(2, 3, seed=1), weight, bias, 1e-5), label="two examples"),
        Sample((numbers(5, 3, seed=2), weight, bias, 0.1), label="a large ε"),
        Sample((given([1.0], [1.0], [1.0]), given([0.5]), given([0.0]), 1e-3), label="a constant channel"),
    ]


def _by_pytorch(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


BATCH_NORM = Exercise(
    "batch_norm",
    "y = w (x - μ) / √(v + ε) + b",
    _by_pytorch,
    _batch_norm,
    {
        "gradient of x": "x_n reaches the loss by three paths: by itself, through μ and through v, which both contain "
        "every x of the channel. Two sums tell which path is missing: over the batch, the right gradient "
        "of x sums to 0, which is the work of μ; and times x̂ it sums to almost 0, which is that of v. "
        "Which of them fails? The scale w / √(v + ε) belongs to all three.",
        "gradient of weight": "w multiplies x̂, the normalised x, in every example of the batch: what do the examples "
        "say together? It is a sum, not a mean.",
        "gradient of bias": "b is added in every example of the batch, each time with the factor 1: what do the "
        "examples say together? It is a sum, not a mean.",
        "gradient form": "Return the gradients of x, weight and bias, in this order and of their shapes, and None for "
        "eps. weight and bias, of shape (channels), serve all N examples: their gradients gather what all "
        "examples say.",
    },
)

"""The exercises on losses, and softmax."""

import torch
from torch import Tensor

from experiments.lessons.exercises.exercise import Exercise, given, numbers
from manualnet.check import Sample
from manualnet.reference import functional as reference


def _pairs() -> list[Sample]:
    return [
        Sample((numbers(4, 3), numbers(4, 3, seed=1)), label="a batch"),
        Sample((given(0.7), given(-0.5)), label="one number"),
        Sample((numbers(0, 3), numbers(0, 3)), label="an empty batch"),
    ]


SQUARED_ERROR = Exercise(
    "squared_error",
    "E = ½ Σ (x - t)²",
    reference.squared_error,
    _pairs,
    {
        "gradient form": "Return two gradients, of x and of target, both of their shape and type: grad_out is a single "
        "number, and scales the one of every element.",
        "gradient of x": "Differentiate one term of the sum: what becomes of the 2 of the square, with the ½ before "
        "it? E is a sum and no mean. And E is a single number, so one grad_out scales every element.",
        "gradient of target": "E contains only the difference of x and t. If x grows by a little, E changes by some "
        "amount: what if t grows by as much instead?",
    },
)


def _softmax() -> list[Sample]:
    return [
        Sample((numbers(4, 3),), label="a batch"),
        Sample((numbers(5),), label="one row"),
        Sample((numbers(2, 3, 4, seed=1),), label="three axes"),
        Sample((numbers(0, 3),), label="an empty batch"),
    ]


def _softmax_of_the_last_axis(s: Tensor) -> Tensor:
    return torch.softmax(s, dim=-1)


SOFTMAX = Exercise(
    "softmax",
    "p_k = e^s_k / Σ e^s_j",
    _softmax_of_the_last_axis,
    _softmax,
    {
        "gradient form": "Return one gradient, that of s, of the shape and the type of s.",
        "gradient": "Every p_k contains every score, in its denominator, so ∂L/∂s_k collects a term from each p_j: "
        "first derive ∂p_j/∂s_k for j = k and for j ≠ k. A test for the result: to add 1 to all scores of a "
        "row changes no p, so each row of the gradient sums to 0. Does yours?",
        "extremes": "e^s overflows for s = 1000. The saved p is finite whatever the scores are: say the gradient with "
        "it alone, and divide by nothing that may be 0.",
    },
)


def _classes() -> list[Sample]:
    lecture = given([3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1])
    return [
        Sample((lecture, torch.tensor([0, 1, 2])), label="the lecture's three"),
        Sample((numbers(4, 5), torch.tensor([0, 4, 2, 2])), label="a batch"),
        Sample((numbers(1, 3, seed=1), torch.tensor([1])), label="one example"),
    ]


def _hinge() -> list[Sample]:
    met = given([2.0, 1.0, 3.0], [0.0, 0.5, -1.0])
    return [*_classes(), Sample((met, torch.tensor([2, 0])), label="a margin met exactly")]


HINGE_LOSS = Exercise(
    "hinge_loss",
    "L_i = Σ max(0, s_j - s_y + 1), and their mean",
    reference.hinge_loss,
    _hinge,
    {
        "gradient": "Take one example first. Which wrong classes cost something, and what does each of them say to its "
        "own score, and to the right class's? So each row sums to 0; does yours? Then L is a mean: what "
        "factor does every row get from it, and from grad_out? By S24 the lecture's rows are [-1, 1, 0], "
        "[0, 0, 0], [1, 1, -2], each before these factors.",
        "gradient form": "Return the gradient of the scores, of their shape (N, classes), and None for the target.",
        "kinks": "Where the margin is met exactly the term is 0, and the convention says that its slope is 0, too "
        "(S25). Does your comparison count a margin that is just met as violated?",
    },
)

CROSS_ENTROPY = Exercise(
    "cross_entropy",
    "L_i = -log p_y, and their mean",
    torch.nn.functional.cross_entropy,
    _classes,
    {
        "gradient": "Write -log p_y with the scores, as the logarithm of a sum and one score less, and differentiate "
        "both. Each row of the gradient sums to 0; does yours? Then L is a mean: what factor does every row "
        "get from it, and from grad_out? By S34 the lecture's first row is [-.870017, .869050, .000968], "
        "before these factors.",
        "gradient form": "Return the gradient of the scores, of their shape (N, classes), and None for the target.",
        "extremes": "e^s overflows for s = 10,000. What stays the same when the largest score of a row is subtracted "
        "from all of them first?",
    },
)

"""What cannot be traced is refused in a line that says what to do."""

import pytest
import torch
from torch.autograd import Function

from manualnet import functional as F
from manualnet import nn
from manualnet.graph import trace

from .expressions import lecture

APPLY = Function.__dict__["apply"]


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        (
            torch.exp,
            NotImplementedError,
            r"torch.exp has no hand-written gradient .*: use F.sigmoid, F.tanh or F.softm",
        ),
        (lambda x: x.cosh(), NotImplementedError, r"torch.Tensor.cosh has .*: write it as a Function of your own"),
        (lambda x: x**3, NotImplementedError, r"pow__ has .* use F.mul, once for each power"),
        (lambda x: 1 / x, NotImplementedError, r"use F.mul with the reciprocal, if the divisor needs no gradient"),
        (lambda x: x / x, NotImplementedError, r"torch.Tensor.div has .*: use F.mul with the reciprocal"),
        (lambda x: torch.where(x > 0, x, 0.0), NotImplementedError, r"torch.where .* use F.mul with a mask"),
        (lambda x: torch.maximum(x, x), NotImplementedError, r"torch.maximum .* use F.maxout or F.relu"),
        (
            lambda x: x.add_(1),
            RuntimeError,
            r"add_ overwrites a value that the graph needs: give the result a new name",
        ),
        (lambda x: F.dropout(x, 0.5, inplace=True), RuntimeError, "copy_ overwrites a value that the graph needs"),
        (lambda x: torch.add(x, 1, out=torch.zeros(3)), RuntimeError, "add overwrites"),
        (lambda x: x * x.sum().item(), RuntimeError, "item would lose the gradient: work with the tensor itself"),
        (
            lambda x: torch.tensor([x[0], x[1]]),
            RuntimeError,
            "tensor would lose the gradient: put tensors together with",
        ),
        (lambda x: x.sum().backward(), RuntimeError, "backward would lose the gradient: leave it out"),
        (lambda x: nn.ReLU(inplace=True)(x), RuntimeError, "overwrites a value .* and leave out inplace=True"),
        (lambda x: torch.vmap(F.sigmoid)(x), NotImplementedError, "torch.func and vmap .*; write it without them"),
        (lambda x: (x, x), TypeError, "must return one tensor, but gave tuple of 2: return the loss alone"),
        (lambda x: None, TypeError, "must return one tensor, but gave NoneType: return the loss"),
    ],
)
def test_what_cannot_be_traced_is_one_line_that_says_what_to_do(expression, error, message):
    with pytest.raises(error, match=message) as caught:
        trace(expression, x=torch.ones(3))
    assert "\n" not in str(caught.value)
    assert Function.__dict__["apply"] is APPLY


def test_assignment_in_place_is_refused():
    def augmented(x):
        y = x * 2
        y += 1
        return y

    def item(x):
        y = torch.zeros(3)
        y[0] = x[0]
        return y

    for expression in (augmented, item):
        with pytest.raises(RuntimeError, match="overwrites a value that the graph needs"):
            trace(expression, x=torch.ones(3))


def test_inputs_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match="trace: x must be a tensor, a number or a list of numbers, but str came"):
        trace(lecture, x="three", y=1, z=2)

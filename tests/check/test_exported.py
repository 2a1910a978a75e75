"""What torch.export takes, what it refuses, and that a lost rule is said."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import check


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * ctx.saved_tensors[0] * grad_out


class Branch(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x if x.sum() > -100 else x


class Traced(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * (2 if torch.compiler.is_exporting() else 1)


def result(function, *inputs, **options):
    inputs = inputs or (torch.randn(3, 4, dtype=torch.float64),)
    return check(function, *inputs, only=["export"], **options)["export"]


def test_the_lost_rule_is_a_limit_of_pytorch():
    found = result(Square)
    assert found.status == "does not apply"
    assert "the value is right" in found.why
    assert "drops" in found.why


def test_without_a_rule():
    assert result(torch.nn.functional.silu).passed


def test_a_branch_on_data():
    found = result(Branch, reference=torch.square)
    assert found.failed
    assert "data-dependent" in found.wrong
    assert "torch.where" in found.mend
    assert "the reference does not either" in result(Branch, reference=Branch.apply).why


def test_another_value():
    found = result(Traced)
    assert found.failed
    assert "the exported value" in found.wrong
    assert "it is 2 times the right one" in found.wrong


def test_lists_and_keywords():
    found = check(
        lambda xs, *, weight: xs[0] * weight + xs[1].sum(),
        [torch.rand(3), torch.rand(2)],
        kwargs={"weight": torch.rand(3)},
        only=["export"],
    )
    assert found.passed


@pytest.mark.parametrize("function", [Square, Branch])
def test_classes_are_left_as_they_were(function):
    before = dict(vars(function))
    result(function)
    assert dict(vars(function)) == before

"""What the rows on losses lean on: an independent fit, and a loss of one's own."""

import math

import torch

from experiments.lessons.likelihood import clouds, log_likelihood, maximum
from experiments.lessons.own_loss import LogCosh
from manualnet.check import check


def test_newtons_method_ends_where_the_likelihood_is_flat():
    x, classes = clouds()
    weight = maximum(x, classes, 0.01).requires_grad_()
    objective = log_likelihood(weight, x, classes) / len(x) - 0.01 * weight.square().sum()
    (gradient,) = torch.autograd.grad(objective, weight)
    assert gradient.abs().max() < 1e-12


def test_the_clouds_overlap():
    """Separable classes would have no maximum without a penalty."""
    x, classes = clouds()
    assert ((x @ maximum(x, classes, 1e-4).T).argmax(1) != classes).any()


def test_a_loss_of_ones_own_passes_what_applies():
    generator = torch.Generator().manual_seed(0)
    y, t = (3 * torch.randn(5, generator=generator, dtype=torch.float64) for _ in range(2))
    # This reference overflows where the rule does not, and rounds otherwise where errors are small.
    report = check(
        LogCosh,
        y,
        t,
        reference=lambda y, t: (y - t).cosh().log().sum(),
        hand_written=True,
        skip=["extremes", "precision", "autocast"],
    )
    report.raise_for_failures()


def test_it_cannot_overflow():
    y = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = LogCosh.apply(y, torch.zeros(2))
    loss.backward()
    torch.testing.assert_close(loss.item(), 2e4 - 2 * math.log(2))
    assert y.grad.tolist() == [1, -1]

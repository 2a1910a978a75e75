"""Cross-entropy and other losses: the two fits of one model, a loss of one's own, and what the figures hold."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from experiments.lessons.contents import find
from experiments.lessons.figures.margins import loss_and_slope, triplet
from experiments.lessons.likelihood import classifier, clouds, maximum_likelihood
from experiments.lessons.log_cosh import LogCosh, by_autograd, log_cosh
from experiments.lessons.separation import separated
from experiments.lessons.work import Slip
from manualnet import functional as F
from manualnet.check import PROPERTIES, check


def data(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_newton_stands_where_the_likelihood_is_greatest():
    x, labels = clouds()
    beta, most = maximum_likelihood(x, labels)
    scores = torch.cat([x @ beta.T, torch.zeros(len(x), 1, dtype=torch.float64)], dim=1)
    assert torch.distributions.Categorical(logits=scores).log_prob(labels).sum().item() == pytest.approx(most.item())
    for seed in range(20):
        nearby = scores + x @ torch.cat([1e-3 * data(2, 3, seed=seed), torch.zeros(1, 3).double()]).T
        assert torch.distributions.Categorical(logits=nearby).log_prob(labels).sum() < most


def test_the_classifier_is_the_fit_of_greatest_likelihood():
    x, labels = clouds(each=12)
    weight = classifier(x, labels)
    beta, _ = maximum_likelihood(x, labels)
    torch.testing.assert_close(weight[:-1] - weight[-1], beta, rtol=0, atol=5e-7)
    # The gradient of a row sums to 0 over the classes, so descent from 0 keeps the sum of the rows there.
    torch.testing.assert_close(weight.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_log_cosh_passes_what_takes_no_compiler():
    slow = {"autocast", "inductor", "export", "compile", "compile dynamic", "compile keeps the rule"}
    quick = [name for name in PROPERTIES if name not in slow]
    report = check(log_cosh, data(3, 4), data(4, seed=1), reference=by_autograd, hand_written=True, only=quick)
    report.raise_for_failures()
    assert sum(result.status == "passed" for result in report) > 20


def test_log_cosh_does_not_overflow():
    y = torch.tensor([1000.0, -1000.0, 0.0, 1e-4], dtype=torch.float64, requires_grad=True)
    loss = log_cosh(y, torch.zeros((), dtype=torch.float64))
    (grad,) = torch.autograd.grad(loss.sum(), y)
    assert loss.tolist() == pytest.approx([1000 - math.log(2), 1000 - math.log(2), 0, 5e-9], abs=1e-15, rel=1e-7)
    assert grad.tolist() == pytest.approx([1, -1, 0, 1e-4])


def test_a_wrong_rule_of_ones_own_is_caught():
    class Doubled(LogCosh):
        @staticmethod
        def backward(ctx, grad_out):
            grad_y, grad_t = LogCosh.backward(ctx, grad_out)
            return 2 * grad_y, 2 * grad_t

    report = check(Doubled, data(3), data(3, seed=1), reference=by_autograd, only=["gradient", "numeric gradient"])
    assert {result.status for result in report} == {"failed"}


def test_triplets_are_separated_by_the_lecture_s_rule():
    a, p, n = (torch.tensor(v, dtype=torch.float64) for v in ([1.0, 0.0], [0.8, 0.6], [0.6, 0.8]))
    path, losses = separated((a, p, n), margin=1.0)
    assert losses[0] == pytest.approx(0.6)
    assert losses[-1] == 0
    assert all(later < earlier for earlier, later in pairwise(losses))
    torch.testing.assert_close(path[1][0], a - 0.02 * 2 * (n - p))
    torch.testing.assert_close(path[1][1], p - 0.02 * 2 * (p - a))
    torch.testing.assert_close(path[1][2], n - 0.02 * 2 * (a - n))
    a, p, n = path[-1]
    assert (a - n).square().sum() - (a - p).square().sum() >= 1


def test_the_triplet_figure_says_the_distances():
    a, p, n = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
    path, _ = separated((a, p, n), margin=1.0)
    before, after = triplet(path).axes
    assert {"‖a − p‖² = 0.40", "‖a − n‖² = 0.80"} <= {text.get_text() for text in before.texts}
    assert not {"‖a − p‖² = 0.40", "‖a − n‖² = 0.80"} & {text.get_text() for text in after.texts}


def test_the_slope_drawn_is_that_of_the_loss_drawn():
    x = torch.linspace(-2, 2, 401, dtype=torch.float64)
    zero = torch.zeros((), dtype=torch.float64)
    left, right = loss_and_slope({"log cosh": lambda y: log_cosh(y, zero)}, x, "y").axes
    (loss,), (slope,) = left.lines, right.lines
    found = np.gradient(np.asarray(loss.get_ydata()), x.numpy())
    np.testing.assert_allclose(found[1:-1], np.asarray(slope.get_ydata())[1:-1], atol=1e-4)


def test_the_slips_are_what_pytorch_and_the_other_logarithm_give(work_of):
    (base,) = work_of("S33").of(Slip)
    assert float(base.slide) == pytest.approx(float(base.right) / math.log(10))
    (distances,) = work_of("S35").of(Slip)
    assert (float(distances.slide), float(distances.right)) == pytest.approx((0.238028, 0.1), abs=1e-6)


def test_rows_leave_the_stream_alone():
    state = torch.get_rng_state()
    for name in ("S33", "S34", "S35", "S36"):
        find(name).run()
    assert torch.equal(torch.get_rng_state(), state)


def test_hinge_and_cross_entropy_of_a_margin(work_of):
    (drawing,) = [entry for entry in work_of("S34").entries if hasattr(entry, "draw")]
    losses, slopes = drawing.draw().axes
    margin = np.asarray(losses.lines[0].get_xdata())
    np.testing.assert_allclose(losses.lines[0].get_ydata(), np.maximum(0, 1 - margin), atol=1e-12)
    np.testing.assert_allclose(losses.lines[1].get_ydata(), np.log1p(np.exp(-margin)), atol=1e-12)
    np.testing.assert_allclose(slopes.lines[1].get_ydata(), -1 / (1 + np.exp(margin)), atol=1e-12)
    assert F.hinge_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0])) == 0

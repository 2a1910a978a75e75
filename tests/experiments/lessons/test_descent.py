"""Gradient descent: paths by formula, landscapes that are what the figures say, and networks that do not mix."""

import math

import pytest
import torch

from experiments.lessons import landscapes, many, rates
from experiments.lessons.descend import descend
from experiments.lessons.figures.landscapes import planes, slices
from experiments.lessons.figures.learning_rates import bound, curves
from experiments.lessons.figures.seeds import ends, gaps
from experiments.lessons.pictures import Pictures
from manualnet import functional as F


@pytest.mark.parametrize("c", [0.5, 4.0])
@pytest.mark.parametrize("share", [0.3, 1.0, 1.7, 2.0, 2.3])
def test_on_a_parabola_a_step_multiplies(c, share):
    path = rates.on_parabola(c, share / c, 10)
    expected = torch.tensor([(1 - share) ** k for k in range(11)], dtype=torch.float64)
    torch.testing.assert_close(path, expected, rtol=1e-9, atol=1e-12)


def test_a_path_equals_the_update_written_out():
    goal = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    path, losses = descend(lambda w: F.squared_error(w, goal), torch.zeros(3, dtype=torch.float64), 0.3, 5)
    w = torch.zeros(3, dtype=torch.float64)
    for at, loss in zip(path, losses, strict=True):
        torch.testing.assert_close(at, w)
        torch.testing.assert_close(loss, 0.5 * (w - goal).square().sum())
        w = w - 0.3 * (w - goal)


@pytest.mark.parametrize("name", landscapes.LOSSES)
def test_many_losses_at_once_are_those_one_by_one(name):
    draw = torch.Generator().manual_seed(0)
    weights = torch.randn(4, 2, 3, 2, generator=draw, dtype=torch.float64)
    loss = landscapes.loss_of(name)
    one_by_one = torch.stack([torch.stack([loss(w) for w in row]) for row in weights])
    torch.testing.assert_close(landscapes.losses_at(name, weights), one_by_one)


@pytest.mark.parametrize("name", landscapes.LOSSES)
def test_a_plane_shows_the_losses_of_the_path(name):
    plane = landscapes.plane(name, lr=0.3, steps=60)
    # The plane passes through the path's end; the nearest point of its grid is close by.
    i, j = (plane.v - plane.path[-1, 1]).abs().argmin(), (plane.u - plane.path[-1, 0]).abs().argmin()
    assert plane.losses[i, j] == pytest.approx(float(plane.path_losses[-1]), abs=0.02)
    # Elsewhere the path is a little off it.
    i, j = (plane.v - plane.path[0, 1]).abs().argmin(), (plane.u - plane.path[0, 0]).abs().argmin()
    assert plane.losses[i, j] == pytest.approx(float(plane.path_losses[0]), rel=0.1)
    assert plane.path_losses[0] == plane.path_losses.max()
    (axes, _) = planes({name: plane, "again": plane}).axes
    assert axes.get_title() == name


@pytest.mark.parametrize("name", landscapes.LOSSES)
def test_a_slice_is_convex_and_its_path_lies_on_it(name):
    cut = landscapes.cut(name, lr=0.3, steps=10)
    assert cut.losses.diff().diff().min() > -1e-12
    for t, loss in zip(cut.path, cut.path_losses, strict=True):
        k = int((t - cut.t[0]) / (cut.t[1] - cut.t[0]))
        assert min(cut.losses[k : k + 2]) - 1e-3 <= loss <= max(cut.losses[k : k + 2]) + 1e-3
    (axes,) = slices({name: cut}).axes
    assert len(axes.lines) == 2


def test_networks_side_by_side_learn_as_each_would_alone():
    draw = torch.Generator().manual_seed(0)
    x, target = many.noisy(3, 20, draw)
    together = many.networks(3, 5, 4, draw)
    alone = [w[1:2].detach().clone().requires_grad_() for w in together]
    many.train(x, target, together, lr=0.3, steps=20, momentum=0.5)
    many.train(x[1:2], target[1:2], alone, lr=0.3, steps=20, momentum=0.5)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:2], b)


def test_training_leaves_the_global_generator_as_it_was():
    before = torch.random.get_rng_state()
    many.generalisation(20, dropout=0.5, seeds=2)
    rates.on_pictures(_pictures(), 0.01)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_local_optimum_of_xor_has_no_gradient():
    weights = many.networks(8, 2, 2, torch.Generator().manual_seed(2))
    x, target = many.XOR.expand(8, 4, 2), many.XOR_CLASSES.expand(8, 4)
    many.train(x, target, weights, lr=1.0, steps=1500)
    losses = many.losses(x, target, weights)
    stuck = losses > 0.1
    assert stuck.any()
    losses.sum().backward()
    for weight in weights:
        assert weight.grad[stuck].abs().max() < 2e-3


def _pictures():
    """A thousand noisy pictures of one number each: bright or dark."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(1000) % 2
    images = (0.25 + 0.5 * labels.view(-1, 1, 1, 1) + 0.1 * torch.randn(1000, 3, 32, 32, generator=draw)).clamp(0, 1)
    return Pictures("drawn here", ("dark", "bright"), images, labels, images, labels)


def test_learning_curves_start_alike_and_end_by_their_rates():
    low, good, high = (rates.on_pictures(_pictures(), lr) for lr in (1e-5, 0.003, 1e38))
    assert low[0] == good[0] == high[0]
    assert good[-1] < 0.3 < low[-1] < low[0]
    assert math.isinf(high[-1])
    assert len(low) == len(high) == 21
    (axes,) = curves({"low": low, "high": high}).axes
    assert max(axes.lines[1].get_ydata()) > axes.get_ylim()[1]


def test_the_bounds_figure_draws_the_paths():
    paths = {lr: rates.on_parabola(4.0, lr, 8) for lr in (0.1, 0.6)}
    below, first, second = bound(4.0, paths).axes
    assert list(below.lines[0].get_ydata()) == paths[0.1].tolist()
    assert [axes.get_title() for axes in (first, second)] == ["η = 0.1", "η = 0.6"]
    assert below.lines[1].get_label() == "η = 0.6, w × −1.4"


def test_the_figures_of_seeds_count_and_average():
    (axes,) = ends({2: torch.tensor([0.001, 0.35, 0.48]), 8: torch.tensor([0.001, 0.002])}, {"2 merged": 0.3466}).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2\n2 of 3 stuck", "8\n0 of 2 stuck"]
    (axes,) = gaps({"60 points": (torch.tensor([0.0, 0.1]), torch.tensor([0.3, 0.5]))}, 0.2).axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.05, 0.4])

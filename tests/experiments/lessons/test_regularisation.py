"""Regularisation: descent against algorithms of another kind, and what the figures hold."""

import numpy as np
import pytest
import torch

from experiments.lessons.figures.penalties import balls, before_and_after, noisy_fit, paths
from experiments.lessons.noise import CHANGES, seeded
from experiments.lessons.shrinkage import PENALTIES, held, noisy_curve, path, powers, regression, ridge
from experiments.lessons.work import Drawing, Slip
from manualnet import functional as F

STRENGTHS = torch.logspace(-2, 0.1, 6, dtype=torch.float64)


def points(line):
    """The points of a drawn line, (N, 2)."""
    return torch.as_tensor(np.asarray(line.get_xydata()), dtype=torch.float64)


def coordinate_descent(x, t, lasso, square):
    """argmin of the mean squared error + lasso Σ|w| + square Σw²: each weight in turn, in closed form, exactly 0."""
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(1000):
        for j in range(len(w)):
            rest = t - x @ w + x[:, j] * w[j]
            pull = 2 * (x[:, j] @ rest) / len(x)
            w[j] = pull.sign() * (pull.abs() - lasso).clamp(min=0) / (2 * (x[:, j] @ x[:, j]) / len(x) + 2 * square)
    return w


@pytest.mark.parametrize(("penalty", "shares"), [("L2", (0, 1)), ("L1", (1, 0)), ("elastic net", (1, 0.5))])
def test_a_path_ends_where_coordinate_descent_does(penalty, shares):
    x, t = regression()
    found = path(penalty, x, t, STRENGTHS)
    for w, strength in zip(found[[0, 3, 5]], STRENGTHS[[0, 3, 5]], strict=True):
        exact = coordinate_descent(x, t, *(share * strength for share in shares))
        # Weights that bounce around 0 give the others a push, of less than a hundredth of the largest.
        assert (w - exact).abs().max() < (1e-3 if penalty == "L2" else 0.02)
        assert torch.equal(w.abs() < 1e-3, exact.abs() < 1e-3)


def test_the_penalties_are_the_lectures():
    w = torch.tensor([[3.0, 0.0, -2.0]])
    strength = torch.tensor([[0.1]])
    values = {name: penalty(w, strength).item() for name, penalty in PENALTIES.items()}
    assert values == pytest.approx({"L2": 1.3, "L1": 0.5, "elastic net": 1.15})


def test_ridge_is_least_squares_on_more_rows():
    x, t = regression()
    more = (6.0**0.5) * torch.eye(6, dtype=torch.float64)  # λ = .1, N = 60
    rows, targets = torch.cat([x, more]), torch.cat([t, torch.zeros(6, dtype=torch.float64)])
    expected = torch.linalg.lstsq(rows, targets[:, None]).solution[:, 0]
    torch.testing.assert_close(ridge(x, t, 0.1), expected, rtol=1e-10, atol=1e-12)


def test_powers_are_legendre_polynomials():
    x = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    inputs = powers(x, 6)
    products = torch.trapezoid(inputs[:, :, None] * inputs[:, None, :], x, dim=0)
    expected = torch.diag(2 / (2 * torch.arange(7, dtype=torch.float64) + 1))
    torch.testing.assert_close(products, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(inputs[-1], torch.ones(7, dtype=torch.float64))


def test_without_a_penalty_the_polynomial_goes_through_its_points():
    curve = noisy_curve(torch.tensor([0.0, 0.05], dtype=torch.float64), points=13)
    torch.testing.assert_close(curve.at(curve.x, 0), curve.t, rtol=0, atol=1e-8)
    assert curve.best == 1
    assert curve.test[0] > 4 * curve.test[1]


def test_l2_spreads_a_score_evenly_and_l1_keeps_its_sum():
    start, x = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    even, kept = held(F.l2_penalty, start, x), held(F.l1_penalty, start, x)
    assert even.max() - even.min() < 0.02
    assert kept.argmax() == 0
    assert kept.sum() == pytest.approx(float(even.sum()), abs=0.05)


@pytest.mark.parametrize("name", CHANGES)
def test_a_seeded_change_leaves_the_stream_alone(name):
    x = torch.rand(8, 8) + 0.1
    state = torch.get_rng_state()
    fixed = seeded(CHANGES[name], 7)
    assert torch.equal(fixed(x), fixed(x))
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_leave_the_stream_alone():
    from experiments.lessons.contents import find

    state = torch.get_rng_state()
    for name in ("S28", "S29", "S30", "S31", "S32"):
        find(name).run()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_paths_figure_holds_every_weight():
    found = {"L2": torch.rand(6, 3), "L1": torch.rand(6, 3)}
    figure = paths(found, STRENGTHS, ["a", "b", "c"])
    for axes, (name, weights) in zip(figure.axes, found.items(), strict=True):
        assert axes.get_title() == name
        drawn = [line for line in axes.lines if len(points(line)) == 6]
        assert torch.allclose(torch.stack([points(line)[:, 1] for line in drawn], 1), weights.double())
        assert len({line.get_marker() for line in drawn}) == 3


def test_the_balls_say_which_point_is_cheaper():
    filled = []
    for axes in balls(0.5).axes:
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        filled.append([line.get_markerfacecolor() != "white" for line in dots])
        assert [text.get_text() for text in axes.texts]
    assert filled == [[False, True], [True, True], [False, True]]
    labels = [[text.get_text() for text in axes.texts] for axes in balls(0.5).axes]
    assert labels == [["1", "0.5"], ["1", "1"], ["1.5", "1.25"]]


def test_the_fit_figure_marks_the_lowest_test_error():
    curve = noisy_curve(torch.logspace(-4, 1, 11, dtype=torch.float64))
    left, right = noisy_fit(curve, (0, curve.best)).axes
    (dot,) = [line for line in right.lines if line.get_marker() == "o"]
    assert float(points(dot)[0, 1]) == pytest.approx(float(curve.test.min()))
    (dots,) = [line for line in left.lines if line.get_marker() == "o"]
    assert torch.equal(points(dots), torch.stack([curve.x, curve.t], 1))


def test_before_and_after_show_the_numbers_as_they_are():
    pairs = {"negated": (torch.rand(2, 3), -torch.rand(2, 3))}
    above, below, _ = before_and_after(pairs, (-1, 1)).axes
    for axes, matrix in zip((above, below), pairs["negated"], strict=True):
        assert np.array_equal(np.asarray(axes.images[0].get_array()), matrix.numpy())
        assert axes.images[0].get_clim() == (-1, 1)


def test_the_weight_decay_of_the_slip_is_too_weak(work_of):
    (slip,) = work_of("S29").of(Slip)
    assert slip.slide.tolist() == pytest.approx([2.85, 0, -1.9])
    assert [d.name for d in work_of("S29").of(Drawing)] == ["S29-paths"]

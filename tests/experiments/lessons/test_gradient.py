"""Differences: what the rows and figures of the gradient say of them, and that they notice when it is not so."""

import pytest
import torch

from experiments.lessons.contents import find
from experiments.lessons.differences import Cost, cost, errors, fitted, seconds
from experiments.lessons.figures.cost import time_of_gradients
from experiments.lessons.figures.slopes import secants, step_size
from manualnet import functional as F


def quartic(x):
    return F.sum(F.mul(F.mul(x, x), F.mul(x, x)))


@pytest.mark.parametrize(("method", "power"), [("forward", 1), ("central", 2)])
def test_the_error_falls_with_the_formulas_power_of_the_step(method, power):
    found = errors(quartic, torch.tensor([0.7, -1.3]), method, torch.float64)
    assert found.power(0.9e-4, 0.011) == pytest.approx(power, abs=0.02)
    # What remains is the formula's own term: h f''/2 with f'' = 12x², h² f'''/6 with f''' = 24x.
    h, error = found.steps[6], found.errors[6]
    x = torch.tensor([0.7, -1.3], dtype=torch.float64)
    term = h * 6 * x**2 if method == "forward" else h**2 * 4 * x
    assert error == pytest.approx(float(term.norm() / (4 * x**3).norm()), rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["forward", "central"])
def test_past_the_best_step_round_off_grows(method, dtype):
    found = errors(quartic, torch.tensor([0.7, -1.3]), method, dtype)
    h, least = found.best
    assert least == min(found.errors)
    assert found.steps[-1] < h < found.steps[0]
    assert found.errors[-1] > 30 * least
    assert list(found.steps) == sorted(found.steps, reverse=True)


def test_a_wrong_gradient_leaves_an_error_that_no_step_takes_away():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x * x).sum()

        @staticmethod
        def backward(ctx, g):
            return g * 2.02 * ctx.saved_tensors[0]

    found = errors(Wrong.apply, torch.tensor([0.7, -1.3]), "central", torch.float64)
    assert min(found.errors) > 0.009
    assert abs(found.power(1e-4, 1e-1)) < 0.01


def test_a_power_is_fitted_to_noise_too():
    assert fitted([1, 2, 4, 8], [3, 1.5, 0.75, 0.375]) == pytest.approx(-1)
    assert fitted([1, 2, 4, 8], [1.1, 3.9, 16.2, 63]) == pytest.approx(2, abs=0.05)


def test_what_is_not_measured_is_extrapolated_by_evaluations():
    like = Cost(parameters=20, differences=0.21, backward=0.1, measured=True)
    far = cost(3072, like)
    assert (far.parameters, far.measured) == (30720, False)
    assert far.differences == pytest.approx(307.21)
    assert like.ratio == pytest.approx(2.1)
    assert cost(2).measured


def test_the_fastest_call_counts():
    calls = []

    def slower_and_slower():
        calls.append(1)
        torch.zeros(len(calls) * 10_000).sin()

    assert 0 < seconds(slower_and_slower, 5) < 1
    assert len(calls) == 5


def test_the_secants_pass_through_their_points():
    with torch.no_grad():
        left, right = secants(lambda x: x**2, at=1.0, slope=2.0, steps=(1.0, 0.25)).axes
    lines = {line.get_label(): line for line in left.lines}
    x, y = lines["h = 1: 3"].get_data()
    assert torch.allclose(torch.as_tensor(y), 1 + 3 * (torch.as_tensor(x) - 1))
    x, y = lines["tangent: 2"].get_data()
    assert torch.allclose(torch.as_tensor(y), 1 + 2 * (torch.as_tensor(x) - 1))
    forward, central = (next(line for line in right.lines if line.get_label() == k) for k in ("forward", "central"))
    assert torch.allclose(torch.as_tensor(forward.get_ydata()), 2 + torch.as_tensor(forward.get_xdata()))
    assert torch.allclose(torch.as_tensor(central.get_ydata()), torch.tensor(2.0, dtype=torch.float64))


def test_the_figures_hold_what_was_measured():
    found = [errors(quartic, torch.tensor([0.7]), m, d) for m in ("forward", "central") for d in (torch.float64,)]
    (axes,) = step_size(found).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["central, float64"].get_ydata()) == list(found[1].errors)
    assert axes.get_xscale() == axes.get_yscale() == "log"

    costs = [Cost(20, 0.01, 0.001, True), Cost(1000, 0.5, 0.001, False)]
    (axes,) = time_of_gradients(costs).axes
    assert [text.get_text().strip() for text in axes.texts] == ["× 10", "× 500"]
    squares = [line for line in axes.lines if line.get_marker() == "s"]
    assert [line.get_markerfacecolor() == "white" for line in squares] == [False, True]


def test_s38_printed_decimals_hide_slopes():
    (slip,) = [e for e in find("S38").run().entries if type(e).__name__ == "Slip"]
    assert torch.allclose(slip.right[:, 0] + 0.1, slip.slide)
    assert torch.allclose(slip.right[:, 1] - 0.1, slip.slide)

"""The pictures of activations hold what they claim."""

import pytest
import torch
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from experiments.lessons.figures.activations import FLAT, curve, pair, slopes
from experiments.lessons.work import Drawing
from manualnet import functional as F

A = torch.tensor(2.0, dtype=torch.float64)
FUNCTIONS = {
    "sigmoid": (F.sigmoid, torch.sigmoid, []),
    "tanh": (F.tanh, torch.tanh, []),
    "relu": (F.relu, torch.relu, [0]),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.1), lambda x: torch.nn.functional.leaky_relu(x, 0.1), [0]),
    "prelu": (lambda x: F.prelu(x, A), lambda x: torch.prelu(x, A), [0]),
    "elu": (F.elu, torch.nn.functional.elu, [0]),
    "gelu": (F.gelu, torch.nn.functional.gelu, []),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_curve_is_pytorchs_and_the_differences_agree(name):
    ours, theirs, kinks = FUNCTIONS[name]
    drawn = curve(ours, kinks)
    torch.testing.assert_close(drawn.value, theirs(drawn.x), rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(drawn.slope, slopes(theirs, drawn.x), rtol=1e-13, atol=1e-14)
    assert drawn.error < 1e-9


def test_a_wrong_derivative_would_show():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.sigmoid(x)

        @staticmethod
        def backward(ctx, grad):
            return 0.2 * grad

    assert curve(Wrong.apply).error > 0.04


def test_shaded_is_what_is_saturated():
    tanh = curve(F.tanh)
    assert torch.equal(tanh.flat, 1 - tanh.value**2 < FLAT)
    relu = curve(F.relu, [0])
    assert torch.equal(relu.flat, relu.x <= 0)
    assert not curve(lambda x: F.leaky_relu(x, 0.1), [0]).flat.any()
    gelu = curve(F.gelu)
    assert not gelu.flat[gelu.x > -2].any(), "the minimum is flat, and no saturation"


def _dots(axes, x):
    """Filled or hollow, and the height, of every large dot at x."""
    marks = [line for line in axes.lines if line.get_markersize() == 6 and len(line.get_xdata()) == 1]
    return {
        (line.get_ydata()[0], to_rgb(line.get_markerfacecolor()) == (1, 1, 1))
        for line in marks
        if line.get_xdata()[0] == x
    }


def test_a_kink_has_the_slope_that_is_taken_and_the_one_that_is_not():
    left, right = pair({"ReLU": curve(F.relu, [0])}).axes
    assert _dots(left, 0) == set()
    assert _dots(right, 0) == {(0.0, False), (1.0, True)}
    left, right = pair({"step": curve(F.step, [0])}).axes
    assert _dots(left, 0) == {(0.0, False), (1.0, True)}
    assert _dots(right, 0) == set()


def test_a_smooth_activation_has_no_such_dots():
    left, right = pair({"elu": curve(F.elu, [0])}).axes
    assert _dots(left, 0) == _dots(right, 0) == set()


@pytest.mark.parametrize("row", ["S4", "S7", "S8", "S9", "S10", "S11", "S12", "S15"])
def test_every_pair_has_its_differences_on_the_derivative(row, work_of):
    pairs = [d.draw() for d in work_of(row).of(Drawing) if d.name not in ("S15-learning", "S15-cells")]
    assert pairs
    for figure in pairs:
        _, right = figure.axes
        dots = [line for line in right.lines if line.get_markersize() == 3 and len(line.get_xdata())]
        lines = [line for line in right.lines if len(line.get_xdata()) > 100]
        assert len(dots) == len(lines)
        for some, line in zip(dots, lines, strict=True):
            x, y = (torch.tensor(line.get_data()[i]) for i in (0, 1))
            for at, height in zip(*some.get_data(), strict=True):
                near = (x - at).abs().argmin()
                assert height == pytest.approx(y[near].item(), abs=0.03)


def test_saturation_is_shaded_in_both_panels(work_of):
    (drawing,) = work_of("S7").of(Drawing)
    for axes in drawing.draw().axes:
        (shade,) = [c for c in axes.collections if isinstance(c, PolyCollection)]
        spans = sorted((path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in shade.get_paths())
        assert spans[0] == (-5, pytest.approx(-2.18, abs=0.03))
        assert spans[1] == (pytest.approx(2.18, abs=0.03), 5)

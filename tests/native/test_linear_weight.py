"""The weight gradient of a linear layer under autocast: bfloat16 products, summed and handed on in float32."""

import sys

import pytest
import torch

from manualnet import functional as F
from manualnet.functional.layers.linear import Linear
from manualnet.native.conv2d_weight import linear_weight

from .kit import compiled

pytestmark = compiled


@pytest.mark.parametrize(("n", "o", "i"), [(500, 10, 3072), (2, 1024, 1024), (64, 257, 144), (600, 64, 64)])
def test_it_is_the_product_rounded_to_float32(n, o, i):
    g, x = torch.randn(n, o).bfloat16(), torch.randn(n, i).bfloat16()
    exact = g.double().t() @ x.double()
    assert (linear_weight(g, x) - exact).abs().max() <= 1e-6 * n**0.5 * exact.abs().max()


@pytest.mark.parametrize(("n", "i", "reason"), [(501, 3072, "odd"), (500, 3070, "no whole vectors"), (2, 16, "small")])
def test_it_leaves_other_sizes_alone(n, i, reason):
    assert linear_weight(torch.randn(n, 10).bfloat16(), torch.randn(n, i).bfloat16()) is None


def test_the_gradient_keeps_the_digits_of_the_sums():
    weight = torch.randn(128, 1024, requires_grad=True)
    x = torch.randn(256, 1024).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y = F.linear(x, weight)
    g = torch.randn_like(y)
    (grad,) = torch.autograd.grad(y, weight, g)
    exact = g.double().t() @ x.double()
    assert grad.dtype == torch.float32
    assert (grad - exact).abs().max() < 1e-5 * exact.abs().max()


def test_a_nan_reaches_the_sums_that_it_belongs_to_alone():
    g, x = torch.randn(512, 64).bfloat16(), torch.randn(512, 128).bfloat16()
    g[300, 5] = float("nan")
    spoilt = linear_weight(g, x).isnan()
    assert spoilt[5].all()
    assert spoilt.sum() == 128


def test_it_leaves_a_graph_that_is_recorded_alone(monkeypatch):
    ran = []
    monkeypatch.setattr(sys.modules[Linear.__module__], "linear_weight", lambda *args: ran.append(args))
    x, weight = torch.randn(64, 128).bfloat16(), torch.randn(64, 128).bfloat16().requires_grad_()
    y = F.linear(x, weight)
    for recorded in (False, True):
        torch.autograd.grad(y, weight, torch.ones_like(y), create_graph=recorded, retain_graph=True)
        assert len(ran) == 1

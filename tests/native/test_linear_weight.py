"""The weight gradient of a linear layer: products of bfloat16 or float32, summed and handed on in float32."""

import sys

import pytest
import torch

from manualnet import functional as F
from manualnet.functional.layers.linear import Linear
from manualnet.native import linear_weight as native
from manualnet.native.linear_weight import linear_weight, worth

from .kit import DTYPES, compiled, using

pytestmark = compiled


@pytest.fixture(autouse=True)
def vectors(monkeypatch):
    """As on a processor that does not multiply tiles."""
    monkeypatch.setattr(native, "multiplies_tiles", lambda: False)


@pytest.fixture
def tiles(monkeypatch, vectors):
    monkeypatch.undo()
    if not native.multiplies_tiles():
        pytest.skip("this processor does not multiply tiles")


@pytest.mark.parametrize("n", [1, 31, 32, 100, 500, 2048])
@pytest.mark.parametrize(("o", "i"), [(64, 3072), (70, 1024), (97, 1040), (257, 144)])
@pytest.mark.usefixtures("tiles")
def test_tiles_give_the_product_rounded_to_float32(n, o, i):
    g, x = torch.randn(n, o).bfloat16(), torch.randn(n, i).bfloat16()
    exact, size = g.double().t() @ x.double(), g.double().abs().t() @ x.double().abs()
    for threads in (1, 3):
        with using(threads):
            product = linear_weight(g, x)
        assert product.dtype == torch.float32
        assert ((product - exact).abs() <= 1e-6 * size).all()


@pytest.mark.usefixtures("tiles")
def test_tiles_are_for_many_outputs_and_not_too_many_rows():
    for n, o, suits in ((500, 64, True), (501, 64, True), (500, 63, False), (2049, 64, False)):
        g, x = torch.randn(n, o).bfloat16(), torch.randn(n, 3072).bfloat16()
        assert worth(g, x, torch.float32) == suits
        assert not worth(g, x, torch.bfloat16)


@pytest.mark.usefixtures("tiles")
def test_a_nan_stays_among_its_own_tiles_sums():
    g, x = torch.randn(512, 70).bfloat16(), torch.randn(512, 192).bfloat16()
    g[300, 5] = float("nan")
    spoilt = linear_weight(g, x).isnan()
    assert spoilt[5].all()
    assert spoilt.sum() == 192


@pytest.mark.parametrize(
    ("dtype", "n", "o", "i"),
    [
        ("bfloat16", 500, 10, 3072),
        ("bfloat16", 2, 1024, 1024),
        ("bfloat16", 64, 257, 144),
        ("bfloat16", 600, 64, 64),
        ("float32", 500, 10, 3072),
        ("float32", 1537, 32, 48),
        ("float32", 513, 13, 336),
        ("float32", 2100, 1, 1008),
    ],
)
def test_it_is_the_product_rounded_to_float32(dtype, n, o, i):
    g, x = torch.randn(n, o).to(DTYPES[dtype]), torch.randn(n, i).to(DTYPES[dtype])
    assert worth(g, x, g.dtype)
    exact = g.double().t() @ x.double()
    product = linear_weight(g, x)
    assert product.dtype == torch.float32
    assert (product - exact).abs().max() <= 1e-6 * n**0.5 * exact.abs().max()


@pytest.mark.parametrize(
    ("dtype", "n", "o", "i", "reason"),
    [
        ("bfloat16", 501, 10, 3072, "odd"),
        ("bfloat16", 500, 10, 3070, "no whole vectors"),
        ("bfloat16", 2, 10, 16, "small"),
        ("float32", 500, 10, 3070, "no whole vectors"),
        ("float32", 500, 33, 3072, "many outputs"),
        ("float32", 2, 10, 16, "small"),
        ("float64", 500, 10, 3072, "no such numbers"),
    ],
)
def test_it_leaves_other_sizes_alone(dtype, n, o, i, reason):
    dtype = getattr(torch, dtype)
    assert not worth(torch.randn(n, o).to(dtype), torch.randn(n, i).to(dtype), torch.float32)


def test_it_leaves_other_layouts_alone():
    g, x = torch.randn(500, 10), torch.randn(500, 3072)
    assert worth(g, x, g.dtype)
    assert not worth(g.t().contiguous().t(), x, g.dtype)
    assert not worth(g, x.t().contiguous().t(), g.dtype)
    assert not worth(torch.randn(500, 1).expand(500, 10), x, g.dtype)
    assert not worth(g.bfloat16(), x, g.dtype)
    assert not worth(g.to("meta"), x.to("meta"), g.dtype)


def test_many_rows_lose_no_digits():
    n = 1 << 18
    g, x = torch.full((n, 1), 0.1), torch.full((n, 16), 0.3)
    assert (linear_weight(g, x) / (g.double().t() @ x.double()) - 1).abs().max() < 2e-5


def test_threads_change_nothing():
    g, x = torch.randn(700, 10), torch.randn(700, 1040)
    with using(1):
        alone = linear_weight(g, x)
    with using(3):
        assert torch.equal(linear_weight(g, x), alone)


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


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_reaches_the_sums_that_it_belongs_to_alone(dtype):
    g, x = torch.randn(512, 24).to(DTYPES[dtype]), torch.randn(512, 192).to(DTYPES[dtype])
    g[300, 5] = float("nan")
    assert worth(g, x, g.dtype)
    spoilt = linear_weight(g, x).isnan()
    assert spoilt[5].all()
    assert spoilt.sum() == 192


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_leaves_a_graph_that_is_recorded_alone(monkeypatch, dtype):
    ran = []
    monkeypatch.setattr(sys.modules[Linear.__module__], "linear_weight", lambda *args: ran.append(args))
    x, weight = torch.randn(512, 256).to(DTYPES[dtype]), torch.randn(24, 256).to(DTYPES[dtype]).requires_grad_()
    y = F.linear(x, weight)
    for recorded in (False, True):
        torch.autograd.grad(y, weight, torch.ones_like(y), create_graph=recorded, retain_graph=True)
        assert len(ran) == 1


@pytest.mark.parametrize("tiles", [False, True])
def test_in_float32_it_is_for_processors_without_tiles(monkeypatch, tiles):
    monkeypatch.setattr(native, "multiplies_tiles", lambda: tiles)
    g, x = torch.randn(500, 10), torch.randn(500, 3072)
    assert worth(g, x, g.dtype) != tiles

"""The compiled gradients of PReLU equal their formula, in double precision."""

import pytest
import torch

from manualnet import functional as F
from manualnet.native import prelu as native

from .kit import DTYPES, LAYOUTS, compiled, counted, normal, threaded, using

pytestmark = compiled
SHAPES = {
    "matrix": (40, 33),
    "many rows": (701, 10),
    "pictures": (3, 5, 9, 16),
    "long planes": (2, 3, 40, 50),
    "one pixel": (20, 64, 1, 1),
    "signals": (4, 6, 50),
    "volumes": (4, 6, 5, 4, 3),
    "rows over threads": (1200, 40),
    "planes over threads": (9, 7, 30, 31),
}


def _gradients(function, x, weight, g):
    leaves = [t.detach().requires_grad_() for t in (x, weight)]
    return torch.autograd.grad(function(*leaves), leaves, g)


def _check(x, weight, g, threads=1):
    with using(threads):
        ours = _gradients(F.prelu, x, weight, g)
    exact = _gradients(torch.nn.functional.prelu, x.double(), weight.double(), g.double())
    terms = (x.double() * g.double()).clamp(max=0).abs().sum([i for i in range(x.dim()) if i != 1]).max()
    for grad, e, absolute in zip(ours, exact, (0, 2e-6 * terms), strict=True):
        unit = torch.finfo(grad.dtype).eps
        assert grad.dtype == x.dtype
        assert ((grad.double() - e).abs() <= unit * e.abs() + absolute).all()
    return ours


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES, [name for name in SHAPES if "threads" in name])
def test_shapes(monkeypatch, dtype, shape, threads):
    ran = counted(monkeypatch, native, "prelu_backward")
    x, g = (normal(*shape, seed=seed, dtype=dtype) for seed in (1, 2))
    ours = _check(x, normal(shape[1], seed=3, dtype=dtype), g, threads)
    assert ran[0][0] is ours[0]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("of_g", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(layout, of_g):
    x, g = (normal(3, 20, 9, 8, seed=seed) for seed in (1, 2))
    ours = _check(layout(x), normal(20, seed=3), of_g(g))
    assert ours[0].stride() == layout(x).stride()
    _check(layout(x), normal(20, seed=3), g[:1, :1, :1, :1].expand_as(g))


ONE = {"odd": (501, 3), "sixteenths": (32, 33), "a vector": (513,), "long": (3, 40_001), "even": (2, 40_000)}


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("of_weight", [(1,), ()], ids=str)
@threaded(ONE, ["long", "even"])
def test_one_slope(monkeypatch, dtype, of_weight, shape, threads):
    ran = counted(monkeypatch, native, "prelu_backward")
    x, g = (normal(*shape, seed=seed, dtype=dtype) for seed in (1, 2))
    leaves = [t.requires_grad_() for t in (x, normal(*of_weight, seed=3, dtype=dtype))]
    with using(threads):
        grads = torch.autograd.grad(F.prelu(*leaves), leaves, g)
    assert ran[0][0] is grads[0]
    wide = [t.detach().double().requires_grad_() for t in leaves]
    exact = torch.autograd.grad(torch.nn.functional.prelu(*wide), wide, g.double())
    unit = torch.finfo(dtype).eps
    for grad, e, absolute in zip(grads, exact, (0, 2**-22 * x.numel() ** 0.5), strict=True):
        assert (grad.dtype, grad.shape) == (dtype, e.shape)
        assert ((grad.double() - e).abs() <= unit * e.abs() + absolute).all()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_one_slope_for_an_array_in_any_layout(monkeypatch, layout):
    ran = counted(monkeypatch, native, "prelu_backward")
    x, g = (normal(3, 20, 9, 8, seed=seed) for seed in (1, 2))
    weight = normal(1, seed=3)
    grads = _gradients(F.prelu, layout(x), weight, g)
    for ours, plain in zip(grads, _gradients(F.prelu, x, weight, g), strict=True):
        torch.testing.assert_close(ours, plain)
    assert grads[0].stride() == layout(x).stride()
    with_gaps = _gradients(F.prelu, x[..., ::2], weight, g[..., ::2])
    exact = _gradients(torch.nn.functional.prelu, x[..., ::2].double(), weight.double(), g[..., ::2].double())
    for ours, e in zip(with_gaps, exact, strict=True):
        torch.testing.assert_close(ours.double(), e, rtol=1e-5, atol=1e-5)
    assert None not in ran


def test_the_kink_and_nan_have_the_slope_below():
    x = torch.zeros(30, 20)
    x[:, 3] = torch.nan
    weight, g = normal(20, seed=3), normal(30, 20, seed=2)
    grad_x, grad_weight = _gradients(F.prelu, x, weight, g)
    assert torch.equal(grad_x, weight * g)
    assert torch.equal(grad_weight.isnan(), torch.arange(20) == 3)


@pytest.mark.parametrize("needs", [(True, False), (False, True)], ids=["input", "weight"])
def test_one_gradient_alone(needs):
    x, weight, g = normal(30, 20), normal(20, seed=3), normal(30, 20, seed=2)
    both = _gradients(F.prelu, x, weight, g)
    leaves = [t.detach().requires_grad_(need) for t, need in zip((x, weight), needs, strict=True)]
    (one,) = torch.autograd.grad(F.prelu(*leaves), [leaf for leaf in leaves if leaf.requires_grad], g)
    assert torch.equal(one, both[needs.index(True)])

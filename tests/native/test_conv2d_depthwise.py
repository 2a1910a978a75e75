"""The compiled weight gradient of channels that do not see each other equals its definition."""

import pytest
import torch

from manualnet import functional as F
from manualnet.native import conv2d_depthwise as native

from .kit import DTYPES, LAYOUTS, compiled, counted, normal, threaded, using

# Batch, channels, height, width, kernel, stride, padding, dilation.
SHAPES = {
    "one pixel": (70, 5, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1)),
    "a block of channels": (3, 64, 7, 9, (3, 3), (1, 1), (1, 1), (1, 1)),
    "blocks and a rest": (2, 150, 6, 5, (3, 3), (1, 1), (1, 1), (1, 1)),
    "few channels": (4, 3, 12, 11, (5, 3), (1, 1), (2, 0), (1, 1)),
    "strided": (2, 32, 15, 14, (3, 3), (2, 3), (1, 1), (1, 1)),
    "dilated": (2, 24, 13, 12, (3, 2), (1, 2), (2, 3), (2, 3)),
    "more padding than picture": (3, 32, 3, 2, (3, 3), (2, 2), (5, 4), (1, 1)),
    "rows that the kernel passes over": (8, 16, 9, 9, (2, 2), (4, 4), (0, 0), (1, 1)),
    "sums that are handed on": (1, 8, 40, 300, (3, 3), (1, 1), (1, 1), (1, 1)),
    "spread over threads": (9, 70, 10, 12, (3, 3), (1, 1), (1, 1), (1, 1)),
}


def _inputs(shape, dtype):
    n, c, h, w, kernel, *geometry = shape
    sizes = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in zip((h, w), kernel, *geometry, strict=True)
    ]
    return (
        normal(n, c, h, w, dtype=dtype),
        normal(n, c, *sizes, seed=1, dtype=dtype),
        torch.Size((c, 1, *kernel)),
        geometry,
    )


def _exact(g, x, weight_shape, geometry):
    groups = weight_shape[0]
    return torch.nn.grad.conv2d_weight(x.double(), weight_shape, g.double(), *geometry, groups)


def _check(ours, g, x, weight_shape, geometry):
    assert ours.dtype == x.dtype
    assert ours.shape == weight_shape
    exact, terms = _exact(g, x, weight_shape, geometry), _exact(g.abs(), x.abs(), weight_shape, geometry)
    unit = torch.finfo(x.dtype).eps / 2 if x.dtype == torch.bfloat16 else 0
    assert ((ours.double() - exact).abs() <= unit * exact.abs() + 2e-6 * terms).all()


@compiled
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@threaded(SHAPES, ["spread over threads", "few channels"])
def test_shapes(dtype, layout, shape, threads):
    x, g, weight_shape, geometry = _inputs(shape, dtype)
    with using(threads):
        ours = native.conv2d_weight(layout(g), layout(x), weight_shape, *geometry, x.shape[1])
    _check(ours, g, x, weight_shape, geometry)


@compiled
@pytest.mark.parametrize("kernel", [(1, 2), (2, 2), (1, 5), (2, 3), (7, 1), (2, 4), (5, 5), (7, 7)], ids=str)
def test_kernels_over_planes(kernel):
    shape = (3, 17, 9, 8, kernel, (1, 1), (1, 2), (1, 1))
    x, g, *rest = _inputs(shape, torch.float32)
    _check(native.conv2d_weight(g, x, rest[0], *rest[1], 17), g, x, *rest)


@compiled
def test_cotangents_that_are_repeated():
    x, g, weight_shape, geometry = _inputs(SHAPES["blocks and a rest"], torch.float32)
    ours = native.conv2d_weight(g[:1].expand_as(g), x, weight_shape, *geometry, 150)
    _check(ours, g[:1].repeat(2, 1, 1, 1), x, weight_shape, geometry)


@compiled
def test_a_large_plane_keeps_its_digits():
    """A million numbers of one sign, of which float32 would lose half the digits one by one."""
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.rand(1, 2, 1000, 1000, generator=generator) for _ in range(2))
    exact = _exact(g, x, (2, 1, 3, 3), ((1, 1), (1, 1), (1, 1)))
    ours = native.conv2d_weight(g, x, torch.Size((2, 1, 3, 3)), (1, 1), (1, 1), (1, 1), 2)
    assert ((ours / exact - 1).abs() <= 2e-6).all()


@compiled
@pytest.mark.parametrize("place", [(0, 0), (3, 4), (6, 8)], ids=str)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_bad_number_goes_no_further(layout, bad, place):
    """Zeros that fill up a row meet it too."""
    x, g, weight_shape, geometry = _inputs(SHAPES["a block of channels"], torch.float32)
    x[1, 5][place] = bad
    ours = native.conv2d_weight(layout(g), layout(x), weight_shape, *geometry, 64)
    exact = _exact(g, x, weight_shape, geometry)
    assert torch.equal(ours.isfinite(), exact.isfinite())
    torch.testing.assert_close(ours.double(), exact, equal_nan=True, rtol=1e-4, atol=1e-4)


@compiled
def test_a_bad_number_spoils_the_elements_it_meets(monkeypatch):
    returned = counted(monkeypatch, native, "conv2d_weight")
    x, g, _, _ = _inputs(SHAPES["a block of channels"], torch.float32)
    x[1, 5, 0, 0] = float("nan")
    weight = normal(64, 1, 3, 3).requires_grad_()
    ours, theirs = (
        torch.autograd.grad(function(x, weight, padding=1, groups=64), weight, g)[0]
        for function in (F.conv2d, torch.nn.functional.conv2d)
    )
    assert returned[0] is not None
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert 0 < ours.isnan().sum() < 9


@compiled
@pytest.mark.parametrize(
    ("wrong", "shape", "groups"),
    [
        ("several channels see each other", (64, 2, 3, 3), 32),
        ("more channels out", (128, 1, 3, 3), 64),
        ("one channel", (1, 1, 3, 3), 1),
    ],
)
def test_what_it_does_not_suit(wrong, shape, groups):
    x = normal(4, max(1, shape[1] * groups), 6, 6)
    g = normal(4, shape[0], 6, 6)
    assert native.conv2d_weight(g, x, shape, (1, 1), (1, 1), (1, 1), groups) is None

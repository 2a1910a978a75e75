"""The compiled weight gradient of a convolution equals its definition."""

from unittest.mock import Mock

import pytest
import torch

from manualnet import functional as F
from manualnet.native import conv2d_weight as native

from .kit import DTYPES, compiled, counted, normal, threaded, tiles_compiled, using

pytestmark = compiled
# Batch, channels in, height, width, channels out, kernel, padding. Tiles are 12 numbers by 32 channels.
SHAPES = {
    "one channel": (3, 1, 7, 5, 1, (3, 3), (1, 1)),
    "one of all": (1, 1, 1, 1, 1, (1, 1), (0, 0)),
    "whole tiles": (4, 12, 8, 8, 64, (3, 3), (1, 1)),
    "rests": (5, 7, 6, 9, 17, (3, 3), (1, 1)),
    "five and a half tiles": (2, 31, 5, 5, 70, (2, 2), (0, 0)),
    "wide": (3, 70, 4, 6, 33, (3, 1), (1, 0)),
    "a line": (3, 5, 1, 13, 49, (1, 4), (0, 2)),
    "5 x 5": (7, 6, 9, 8, 16, (5, 5), (2, 2)),
    "large padding": (3, 4, 3, 2, 5, (3, 3), (4, 6)),
    "kernel as large as the picture": (9, 3, 6, 5, 66, (6, 5), (0, 0)),
    "kernel larger than the picture": (4, 8, 3, 3, 20, (5, 5), (1, 1)),
    "1 x 1": (3, 13, 11, 7, 64, (1, 1), (0, 0)),
    "many small pictures": (301, 3, 4, 4, 16, (3, 3), (1, 1)),
    "more than the cache": (3, 24, 70, 70, 16, (2, 3), (0, 1)),
    "many channels": (3, 270, 9, 2, 290, (3, 3), (1, 1)),
    "bands that do not divide": (3, 5, 23, 6, 7, (3, 4), (1, 1)),
}


@pytest.fixture(autouse=True, params=["tiles", "vectors"])
def ways(monkeypatch, request):
    """Small calls run compiled too, in each of the two ways where the processor has both."""
    monkeypatch.setattr(native, "_WORTH", 0)
    if request.param == "vectors":
        monkeypatch.setattr(native, "multiplies_tiles", lambda: False)
    elif not native.multiplies_tiles():
        pytest.skip("this processor does not multiply tiles")


def _inputs(n, c, h, w, o, kernel, padding, dtype, scale=1.0):
    oh, ow = (size + 2 * pad - k + 1 for size, pad, k in zip((h, w), padding, kernel, strict=True))
    x = normal(n, c, h, w, seed=1, dtype=dtype).contiguous(memory_format=torch.channels_last)
    g = normal(n, o, oh, ow, seed=2, dtype=dtype).contiguous(memory_format=torch.channels_last)
    return g, x, torch.Size((o, c, *kernel)), (1, 1), padding, (1, 1), 1


def _skip_without(dtype):
    if native.conv2d_weight(*_inputs(*SHAPES["one channel"], dtype)) is None:
        pytest.skip(f"this processor has no products of {dtype}")


def _exact(g, x, weight_shape, stride, padding, dilation, groups):
    return torch.nn.grad.conv2d_weight(x.double(), weight_shape, g.double(), stride, padding, dilation, groups)


def _check(grad, g, x, *rest):
    """Against the sum of absolute products: rounding once, and float32's error of adding some thousand numbers."""
    assert grad.dtype == x.dtype
    exact, size = _exact(g, x, *rest), _exact(g.abs(), x.abs(), *rest)
    unit = torch.finfo(x.dtype).eps / 2 if x.dtype == torch.bfloat16 else 0
    assert ((grad.double() - exact).abs() <= unit * exact.abs() + 2e-6 * size).all()


@threaded(SHAPES, ["rests", "one of all", "many small pictures"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_shapes(shape, dtype, threads):
    _skip_without(dtype)
    inputs = _inputs(*shape, dtype)
    with using(threads):
        grad = native.conv2d_weight(*inputs)
    _check(grad, *inputs)


@threaded(SHAPES, ["rests", "many small pictures", "more than the cache"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("groups", [1, 2])
def test_the_bias_gradient_beside_it(shape, threads, dtype, groups):
    n, c, *sides, o, kernel, padding = shape
    g, x, _, *rest = _inputs(n, groups * c, *sides, groups * o, kernel, padding, dtype)
    inputs = g, x, torch.Size((groups * o, c, *kernel)), *rest[:-1], groups
    bias = torch.full((groups * o,), float("nan"), dtype=dtype)
    with using(threads):
        grad, alone = native.conv2d_weight(*inputs, grad_bias=bias), native.conv2d_weight(*inputs)
    # In half precision without tiles it is left to another.
    assert (grad is None) == (dtype == torch.bfloat16 and not (native.multiplies_tiles() and tiles_compiled()))
    if grad is not None:
        assert torch.equal(grad, alone)
        exact, size = g.double().sum((0, 2, 3)), g.double().abs().sum((0, 2, 3))
        unit = 2**-8 if dtype == torch.bfloat16 else 0
        assert ((bias.double() - exact).abs() <= unit * exact.abs() + 2e-6 * size).all()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_a_bad_number_spoils_the_bias_of_its_channel(dtype):
    g, x, *rest = _inputs(5, 8, 6, 6, 20, (3, 3), (1, 1), dtype)
    g[3, 4, 2, 3] = float("inf")
    bias = torch.zeros(20, dtype=dtype)
    if native.conv2d_weight(g, x, *rest, grad_bias=bias) is not None:
        assert torch.equal(~bias.isfinite(), torch.arange(20) == 4)


@pytest.mark.parametrize("o", [1, 15, 16, 32, 47, 63, 65])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_channels(o, dtype):
    _skip_without(dtype)
    for c in (*range(1, 14), 64):
        inputs = _inputs(2, c, 3, 4, o, (2, 3), (1, 1), dtype)
        _check(native.conv2d_weight(*inputs), *inputs)


@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_more_threads_than_pictures(n, dtype):
    _skip_without(dtype)
    inputs = _inputs(n, 7, 5, 4, 18, (3, 3), (1, 1), dtype)
    with using(5):
        grad = native.conv2d_weight(*inputs)
    _check(grad, *inputs)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_other_layouts(dtype):
    _skip_without(dtype)
    g, x, *rest = _inputs(3, 5, 6, 7, 9, (3, 3), (1, 1), dtype)
    expected = native.conv2d_weight(g, x, *rest)
    turned = x.transpose(2, 3).contiguous().transpose(2, 3)
    cut = torch.cat([x, x], 1)[:, 5:]
    for other_g, other_x in ((g.contiguous(), x), (g, x.contiguous()), (g, turned), (g, cut)):
        assert torch.equal(native.conv2d_weight(other_g, other_x, *rest), expected)
    inputs = g[:, :1, :1, :1].expand_as(g), x, *rest
    _check(native.conv2d_weight(*inputs), *inputs)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("where", ["input", "cotangent"])
def test_a_bad_number_spoils_what_it_meets_and_no_more(dtype, bad, where):
    """In the middle of a picture it meets every place of the kernel; of the channels, its own."""
    _skip_without(dtype)
    g, x, *rest = _inputs(5, 8, 6, 6, 20, (3, 3), (1, 1), dtype)
    (x if where == "input" else g)[3, 4, 2, 3] = bad
    grad = native.conv2d_weight(g, x, *rest)
    spoilt = torch.zeros(20, 8, 3, 3, dtype=torch.bool)
    if where == "input":
        spoilt[:, 4] = True
    else:
        spoilt[4] = True
    assert torch.equal(~grad.isfinite(), spoilt)
    good = grad[~spoilt]
    x, g = (t.nan_to_num(0, 0, 0) for t in (x, g))
    assert torch.equal(good, native.conv2d_weight(g, x, *rest)[~spoilt])


def test_large_numbers():
    for dtype in DTYPES.values():
        g, x, *rest = _inputs(4, 6, 5, 5, 16, (3, 3), (1, 1), dtype)
        inputs = g * 1e4, x * 1e4, *rest
        grad = native.conv2d_weight(*inputs)
        if grad is not None:
            _check(grad, *inputs)


def test_a_long_sum_keeps_its_digits():
    """A million numbers of one sign, of which float32 would lose half the digits one by one."""
    n, generator = 1000, torch.Generator().manual_seed(0)
    x, g = (torch.rand(n, c, 32, 32, generator=generator) for c in (3, 2))
    inputs = g, x, torch.Size((2, 3, 3, 3)), (1, 1), (1, 1), (1, 1), 1
    exact = _exact(*inputs)
    assert ((native.conv2d_weight(*inputs) / exact - 1).abs() <= 2e-6).all()


ELSEWHERE = {
    "stride": {"stride": (2, 1)},
    "dilation": {"dilation": (1, 2)},
    "groups": {"groups": 2},
}


@pytest.mark.parametrize("settings", [{}, *ELSEWHERE.values()], ids=["plain", *ELSEWHERE])
@pytest.mark.parametrize("dtype", [*DTYPES.values(), torch.float64], ids=[*DTYPES, "float64"])
def test_a_convolution_takes_it_where_it_can(monkeypatch, settings, dtype):
    returned = counted(monkeypatch, native, "conv2d_weight")
    x, weight = normal(4, 6, 7, 7, dtype=dtype), normal(8, 6 // settings.get("groups", 1), 3, 3, dtype=dtype)
    y = F.conv2d(x, weight.requires_grad_(), **settings)
    g = normal(*y.shape, dtype=dtype)
    (grad,) = torch.autograd.grad(y, weight, g)
    if not settings and dtype != torch.float64:
        _skip_without(dtype)
        assert returned
        assert all(r is not None for r in returned)
    exact = torch.nn.grad.conv2d_weight(x.double(), weight.shape, g.double(), **settings)
    torch.testing.assert_close(grad.double(), exact, rtol=0, atol=10 * torch.finfo(dtype).eps * exact.abs().max())


def test_few_products_are_not_worth_it(monkeypatch):
    monkeypatch.undo()
    assert native.conv2d_weight(*_inputs(*SHAPES["one of all"], torch.float32)) is None


def test_without_memory_another_way_is_gone(monkeypatch):
    class _Library:
        conv2d_weight_float = Mock(argtypes=None, return_value=1)

    monkeypatch.setattr(native, "load", lambda *files: _Library)
    assert native.conv2d_weight(*_inputs(*SHAPES["one channel"], torch.float32)) is None


def test_without_leave_to_use_tiles_vectors_are_used(monkeypatch):
    class _Library:
        conv2d_weight_tiles = Mock(argtypes=None, return_value=1)
        conv2d_weight_bfloat16 = Mock(argtypes=None, return_value=0)

    monkeypatch.setattr(native, "load", lambda *files: _Library)
    monkeypatch.setattr(native, "multiplies_tiles", lambda: True)
    assert native.conv2d_weight(*_inputs(*SHAPES["one channel"], torch.bfloat16)) is not None
    assert _Library.conv2d_weight_tiles.called


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("stride", [(2, 1), (1, 3), (1, 2), (3, 4)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 2), (1, 3)])
def test_strides_and_dilations(stride, dilation, dtype):
    _skip_without(dtype)
    x = normal(5, 18, 12, 11, seed=1, dtype=dtype).contiguous(memory_format=torch.channels_last)
    rest = torch.Size((20, 18, 3, 3)), stride, (1, 2), dilation, 1
    y = torch.nn.functional.conv2d(x.float(), torch.zeros(rest[0]), None, *rest[1:])
    g = normal(*y.shape, seed=2, dtype=dtype).contiguous(memory_format=torch.channels_last)
    _check(native.conv2d_weight(g, x, *rest), g, x, *rest)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("pictures", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "dilation", "padding", "groups"),
    [
        ((1, 1), (1, 1), (1, 1), 1),
        ((2, 1), (1, 1), (2, 0), 2),
        ((1, 2), (3, 2), (0, 1), 1),
        ((3, 1), (1, 1), (70, 1), 1),
    ],
)
def test_pictures_larger_than_the_cache(pictures, threads, stride, dilation, padding, groups, dtype):
    _skip_without(dtype)
    x = normal(pictures, 24, 101, 95, seed=1, dtype=dtype).contiguous(memory_format=torch.channels_last)
    rest = torch.Size((32, 24 // groups, 3, 3)), stride, padding, dilation, groups
    y = torch.nn.functional.conv2d(x.float(), torch.zeros(rest[0]), None, *rest[1:])
    g = normal(*y.shape, seed=2, dtype=dtype).contiguous(memory_format=torch.channels_last)
    bias = torch.zeros(32)
    with using(threads):
        _check(native.conv2d_weight(g, x, *rest), g, x, *rest)
        if dtype == torch.float32:
            _check(native.conv2d_weight(g, x, *rest, grad_bias=bias), g, x, *rest)
            torch.testing.assert_close(bias.double(), g.double().sum((0, 2, 3)), rtol=0, atol=1e-2)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (4, 2), (3, 2), (8, 1)])
def test_wide_kernels(stride, dilation, dtype):
    _skip_without(dtype)
    x = normal(3, 3, 16, 23, seed=1, dtype=dtype).contiguous(memory_format=torch.channels_last)
    rest = torch.Size((17, 3, 5, 7)), (stride, stride), (2, 3), (dilation, dilation), 1
    y = torch.nn.functional.conv2d(x.float(), torch.zeros(rest[0]), None, *rest[1:])
    g = normal(*y.shape, seed=2, dtype=dtype).contiguous(memory_format=torch.channels_last)
    _check(native.conv2d_weight(g, x, *rest), g, x, *rest)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("groups", "c", "o"), [(2, 8, 16), (3, 5, 7), (4, 16, 33), (5, 1, 1), (2, 13, 64)])
@pytest.mark.parametrize("threads", [1, 2])
def test_groups(groups, c, o, dtype, threads):
    _skip_without(dtype)
    x = normal(7, groups * c, 9, 8, seed=1, dtype=dtype).contiguous(memory_format=torch.channels_last)
    g = normal(7, groups * o, 9, 4, seed=2, dtype=dtype).contiguous(memory_format=torch.channels_last)
    rest = torch.Size((groups * o, c, 3, 3)), (1, 2), (1, 1), (1, 1), groups
    with using(threads):
        grad = native.conv2d_weight(g, x, *rest)
    _check(grad, g, x, *rest)

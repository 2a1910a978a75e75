"""Cotangents of means shared out by compiled code: the quotient to the last bit, in every place of its window."""

import pytest
import torch

from manualnet import functional as F
from manualnet.native import windows as native

from .kit import DTYPES, LAYOUTS, compiled, counted, normal, threaded, using

pytestmark = compiled
SHAPES = {
    "halves": (4, 16, 10, 12, (2, 2)),
    "odd": (3, 7, 5, 9, (3, 5)),
    "one channel": (2, 1, 31, 8, (1, 4)),
    "a column": (2, 9, 9, 4, (7, 1)),
    "one element": (2, 8, 4, 3, (1, 1)),
    "whole pictures": (40, 65, 1, 1, (6, 5)),
    "spread over threads": (5, 33, 30, 20, (2, 3)),
}


@threaded(SHAPES, ["spread over threads", "whole pictures"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("layout", [LAYOUTS["contiguous"], LAYOUTS["channels last"]], ids=["planes", "channels last"])
@pytest.mark.parametrize("divisor", [1, 7, -0.3])
def test_shapes(shape, threads, dtype, layout, divisor):
    *size, (kh, kw) = shape
    x = layout(normal(*size, dtype=dtype))
    with using(threads):
        y = native.spread(x, (kh, kw), divisor)
    assert torch.equal(y, (x / divisor).repeat_interleave(kh, 2).repeat_interleave(kw, 3))
    # Of one pixel both are true.
    innermost = x.is_contiguous(memory_format=torch.channels_last)
    assert y.is_contiguous(memory_format=torch.channels_last if innermost else torch.contiguous_format)


@pytest.mark.parametrize("name", ["avg_pool2d", "adaptive_avg_pool2d"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("given", ["as it lies", "plane by plane"])
def test_of_one_pixel_a_picture_the_gradient_lies_as_the_pictures(name, layout, given):
    x = normal(5, 33, 6, 4).contiguous(memory_format=layout).requires_grad_()
    y = getattr(F, name)(x, (6, 4) if name == "avg_pool2d" else 1)
    g = torch.randn_like(y) if given == "as it lies" else torch.randn(5, 33).view(5, 33, 1, 1)
    (grad,) = torch.autograd.grad(y, x, g)
    assert torch.equal(grad, (g / 24).expand(5, 33, 6, 4))
    assert grad.stride() == x.stride()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, 1e-45])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_special_numbers(value, dtype):
    x = torch.full((2, 3, 8, 8), value, dtype=dtype)
    torch.testing.assert_close(
        native.spread(x, (2, 2), 4),
        (x / 4).repeat_interleave(2, 2).repeat_interleave(2, 3),
        rtol=0,
        atol=0,
        equal_nan=True,
    )


@pytest.mark.parametrize("name", ["avg_pool2d", "adaptive_avg_pool2d"])
@pytest.mark.parametrize("picture", [(4, 8, 12, 12), (8, 12, 12)])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_pooling_takes_it(monkeypatch, name, picture, dtype):
    ran = counted(monkeypatch, native, "spread")
    x = normal(*picture, dtype=dtype).requires_grad_()
    size = 2 if name == "avg_pool2d" else 6
    ours, theirs = (getattr(m, name)(x, size) for m in (F, torch.nn.functional))
    g = normal(*ours.shape, seed=1, dtype=dtype)
    torch.testing.assert_close(torch.autograd.grad(ours, x, g), torch.autograd.grad(theirs, x, g))
    assert [y is not None for y in ran] == [True]


REFUSED = {
    "few": torch.ones(1, 3, 6, 7),
    "gaps": torch.ones(4, 4, 8, 8)[..., ::2],
    "expanded": torch.ones(4, 4, 1, 8).expand(4, 4, 8, 8),
    "double": torch.ones(4, 4, 8, 8).double(),
    "a matrix": torch.ones(32, 32),
}


@pytest.mark.parametrize("x", REFUSED.values(), ids=REFUSED)
def test_others_are_left_to_the_formula(x):
    assert native.spread(x, (2, 2), 4) is None


# Pictures, kernel, stride, padding, ceil_mode.
OVERLAPPING = {
    "thirds": ((4, 6, 11, 12), 3, 2, 1, False),
    "every place": ((3, 5, 9, 8), 3, 1, 1, False),
    "with gaps": ((3, 5, 13, 12), 2, 3, 0, False),
    "another each way": ((2, 7, 12, 9), (3, 2), (2, 1), (1, 0), False),
    "rounded up": ((3, 6, 12, 11), 3, 2, 1, True),
    "one picture": ((7, 12, 12), 3, 2, 1, False),
    "spread over threads": ((9, 33, 20, 20), 3, 2, 1, False),
}


@threaded(OVERLAPPING, ["spread over threads"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("layout", [LAYOUTS["contiguous"], LAYOUTS["channels last"]], ids=["planes", "channels last"])
@pytest.mark.parametrize("counting", [(True, None), (False, None), (True, 7), (True, -3)], ids=str)
def test_windows_that_overlap(monkeypatch, shape, threads, dtype, layout, counting):
    size, *settings = shape
    _check_stamp(monkeypatch, "avg_pool2d", size, (*settings, *counting), threads, dtype, layout)


def _check_stamp(monkeypatch, name, size, settings, threads, dtype, layout):
    """The gradient is compiled, lies as the pictures do, and is exact."""
    ran = counted(monkeypatch, native, "stamp")
    x = normal(*size, dtype=dtype)
    x = (layout(x) if x.dim() == 4 else x).requires_grad_()
    y = getattr(F, name)(x, *settings)
    g = torch.empty_like(y).copy_(normal(*y.shape, seed=1))
    with using(threads):
        (ours,) = torch.autograd.grad(y, x, g)
    assert ran[0] is ours
    assert ours.stride() == x.stride()
    wide = x.detach().double().requires_grad_()
    (exact,) = torch.autograd.grad(getattr(torch.nn.functional, name)(wide, *settings), wide, g.double())
    # Half precision is rounded once, after float32's own errors.
    unit = torch.finfo(dtype).eps / 2
    assert ((ours.double() - exact).abs() <= unit * exact.abs() + 1e-6 * exact.abs().max()).all()


# Pictures, and the size that they are pooled to.
UNEVEN = {
    "smaller": ((4, 6, 11, 12), (3, 5)),
    "larger": ((4, 6, 5, 7), (8, 9)),
    "one axis even": ((4, 6, 8, 9), (4, 4)),
    "a row": ((3, 40, 7, 7), (1, 2)),
    "one picture": ((7, 12, 13), (5, 6)),
    "spread over threads": ((9, 33, 20, 20), (7, 7)),
}


@threaded(UNEVEN, ["spread over threads"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("layout", [LAYOUTS["contiguous"], LAYOUTS["channels last"]], ids=["planes", "channels last"])
def test_windows_about_equally_large(monkeypatch, shape, threads, dtype, layout):
    size, pooled = shape
    _check_stamp(monkeypatch, "adaptive_avg_pool2d", size, (pooled,), threads, dtype, layout)


def test_a_cotangent_of_another_layout():
    x = normal(4, 6, 11, 12).requires_grad_()
    y = F.avg_pool2d(x, 3, 2, 1)
    g = normal(*y.shape, seed=1)
    expected = torch.autograd.grad(y, x, g, retain_graph=True)[0]
    for layout in LAYOUTS.values():
        assert torch.equal(torch.autograd.grad(y, x, layout(g), retain_graph=True)[0], expected)

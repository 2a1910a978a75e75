"""Compiled max pooling is PyTorch's to the last bit, value and gradient."""

import pytest
import torch

from manualnet import functional as F
from manualnet.native import max_pool2d as native

from .kit import DTYPES, LAYOUTS, compiled, counted, normal, threaded, using

pytestmark = compiled
NAN, INF = float("nan"), float("inf")
# Batch, channels, height, width, window: blocks are 64 channels.
SHAPES = {
    "halves": (4, 16, 10, 12, (2, 2)),
    "rests": (3, 70, 11, 13, (2, 3)),
    "rests on one side": (3, 64, 9, 12, (3, 5)),
    "a line": (2, 33, 5, 31, (1, 4)),
    "a column": (2, 9, 31, 8, (7, 1)),
    "one element": (2, 8, 16, 17, (1, 1)),
    "64 elements": (1, 10, 35, 33, (8, 8)),
    "64 in a line": (1, 8, 2, 600, (1, 64)),
    "256 of many": (2, 32, 33, 16, (16, 16)),
    "256 of a picture": (1, 10, 16, 16, (16, 16)),
    "256 of a line": (3, 8, 1, 300, (1, 256)),
    "the whole picture": (40, 65, 6, 5, (6, 5)),
    "one row of windows": (1, 129, 3, 40, (3, 3)),
}


def _run(function, x, window, g=None):
    x = x.detach().requires_grad_()
    y = function(x, window)
    g = normal(*y.shape, seed=3, dtype=y.dtype) if g is None else g(y)
    return y.detach(), *torch.autograd.grad(y, x, g)


def _equal(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        assert a.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(a.isnan(), b.isnan())
        bits = torch.int32 if a.dtype == torch.float32 else torch.int16
        a, b = (t.nan_to_num(0, INF, -INF).contiguous() for t in (a, b))
        assert torch.equal(a.view(bits), b.view(bits))


@pytest.fixture
def ran(monkeypatch):
    """Tells that a call went the compiled way, there and back."""
    counts = [counted(monkeypatch, native, name) for name in ("max_pool2d", "max_pool2d_backward")]
    return lambda: tuple(sum(r is not None for r in returned) for returned in counts)


def _pictures(n, c, h, w, dtype):
    return normal(n, c, h, w, dtype=dtype).contiguous(memory_format=torch.channels_last)


@threaded(SHAPES, ["rests", "one row of windows", "64 elements"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_shapes(ran, shape, dtype, threads):
    *size, window = shape
    x = _pictures(*size, dtype)
    with using(threads):
        ours = _run(F.max_pool2d, x, window)
    assert ran() == (1, 1)
    _equal(ours, _run(torch.nn.functional.max_pool2d, x, window))


@pytest.mark.parametrize(
    ("channels", "layout", "taken"),
    [(16, "channels last", True), (17, "channels last", False), (16, "contiguous", False)],
)
def test_large_windows_of_channels_that_fill_vectors(ran, channels, layout, taken):
    x = LAYOUTS[layout](normal(2, channels, 20, 20))
    ours, theirs = (_run(m.max_pool2d, x, 10) for m in (F, torch.nn.functional))
    assert ran() == (taken, taken)
    assert all(map(torch.equal, ours, theirs))


def test_threads_share_out_the_larger_side(monkeypatch):
    shared = []
    monkeypatch.setattr(native, "threads_for", lambda count: shared.append(count) or 1)
    x = _pictures(2, 16, 32, 32, torch.float32)
    _run(F.max_pool2d, x, 8)
    assert shared == [x.numel()] * 2


PLANES = {**SHAPES, "few channels": (40, 3, 10, 12, (2, 2)), "squares and rests": (3, 7, 11, 85, (2, 2))}


@threaded(PLANES, ["rests", "one row of windows", "few channels", "squares and rests"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_channels_first(shape, dtype, threads):
    *size, window = shape
    x = normal(*size, dtype=dtype)
    with using(threads):
        ours = _run(F.max_pool2d, x, window)
    assert ours[0].is_contiguous()
    theirs = _run(torch.nn.functional.max_pool2d, x, window)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("window", [2, (1, 2), (3, 3)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_special_numbers(ran, dtype, window):
    """Few numbers in many windows: ties of all kinds, also of 0 and -0, several NaN and nothing but -∞."""
    numbers = torch.tensor([NAN, INF, -INF, -INF, 0.0, -0.0, 1e-40, 3e38, -3e38, 1.0, 1.0])
    choice = torch.randint(len(numbers), (6, 16, 30, 31), generator=torch.Generator().manual_seed(0))
    choice[0] = 2
    x = numbers[choice].to(dtype).contiguous(memory_format=torch.channels_last)
    _equal(_run(F.max_pool2d, x, window), _run(torch.nn.functional.max_pool2d, x, window))
    assert ran() == (1, 1)


COTANGENTS = {
    "expanded": lambda y: y.new_ones(()).expand(y.shape),
    "channels first": lambda y: normal(*y.shape, dtype=y.dtype),
    "transposed": lambda y: normal(*y.mT.shape, dtype=y.dtype).mT,
    "nan, infinite and -0": lambda y: (
        torch.tensor([NAN, INF, -0.0], dtype=y.dtype).repeat(y.numel())[::3].view(y.shape)
    ),
}


@pytest.mark.parametrize("g", COTANGENTS.values(), ids=COTANGENTS)
def test_cotangents(ran, g):
    x = _pictures(4, 12, 9, 11, torch.float32)
    _equal(_run(F.max_pool2d, x, 2, g), _run(torch.nn.functional.max_pool2d, x, 2, g))
    assert ran() == (1, 1)


# Pictures, kernel, stride, padding, ceil_mode.
OVERLAPPING = {
    "thirds": ((4, 6, 11, 12), 3, 2, 1, False),
    "every place": ((3, 5, 9, 8), 3, 1, 1, False),
    "with gaps": ((3, 5, 13, 12), 2, 3, 0, False),
    "another each way": ((2, 7, 12, 9), (3, 2), (2, 1), (1, 0), False),
    "rounded up": ((3, 6, 11, 13), 2, 2, 0, True),
    "rounded up, with padding": ((3, 6, 12, 11), 3, 2, 1, True),
    "only the first beyond": ((4, 9, 7, 7), 4, 3, 2, True),
    "many channels": ((2, 150, 9, 8), 3, 2, 1, False),
    "whole vectors": ((2, 64, 9, 8), 3, 2, 1, False),
    "wide": ((2, 2, 7, 300), 3, 2, 1, False),
    "larger than the picture": ((5, 40, 2, 3), 5, 2, 2, False),
    "over threads": ((9, 33, 20, 20), 3, 2, 1, False),
    "whole planes": ((9, 6, 7, 7), 7, 7, 0, False),
    "whole planes of one vector": ((9, 6, 4, 4), 4, 1, 0, False),
    "whole rows": ((5, 6, 11, 8), (3, 8), (2, 1), 0, False),
    "whole rows of less than a vector": ((5, 6, 11, 5), (3, 5), (2, 1), 0, False),
    "whole rows, rounded up": ((5, 6, 12, 8), (3, 8), 2, 0, True),
}


@threaded(OVERLAPPING, ["over threads"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("layout", [LAYOUTS["contiguous"], LAYOUTS["channels last"]], ids=["planes", "channels last"])
@pytest.mark.parametrize("special", [False, True], ids=["usual", "special"])
def test_windows_that_overlap_or_reach_over_the_border(ran, shape, threads, dtype, layout, special):
    size, *settings, ceil_mode = shape
    x = layout(normal(*size, dtype=dtype))
    if special:
        numbers = torch.tensor([NAN, INF, -INF, -INF, -INF, 0.0, -0.0, 1.0, 1.0], dtype=dtype)
        x.copy_(numbers[torch.randint(len(numbers), size, generator=torch.Generator().manual_seed(0))])
        x[0] = -INF
    x.requires_grad_()
    y = F.max_pool2d(x, *settings, ceil_mode=ceil_mode)
    # Whole numbers, so that their sums are exact.
    g = torch.empty_like(y).copy_((8 * normal(*y.shape, seed=1)).round())
    with using(threads):
        (ours,) = torch.autograd.grad(y, x, g, retain_graph=True)
    assert ran() == (1, 1)
    expected, position = torch.nn.functional.max_pool2d(x, *settings, ceil_mode=ceil_mode, return_indices=True)
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)
    assert y.stride() == expected.stride()
    exact = torch.zeros(x.shape, dtype=torch.float64).flatten(2)
    exact = exact.scatter_add(2, position.flatten(2), g.double().flatten(2)).view(x.shape)
    assert torch.equal(ours.double(), exact)
    assert ours.stride() == x.stride()
    # The gradient that may be differentiated again takes the positions of the places.
    (again,) = torch.autograd.grad(y, x, g, create_graph=True)
    assert torch.equal(again, ours)


def test_a_byte_an_output_is_saved():
    x = _pictures(4, 16, 10, 12, torch.float32).requires_grad_()
    (place,) = F.max_pool2d(x, 2).grad_fn.saved_tensors
    assert place.dtype == torch.uint8
    assert place.shape == (4, 16, 5, 6)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_places_and_positions_say_the_same(shape):
    """The gradient that may be differentiated again takes the positions of the places."""
    *size, window = shape
    x = _pictures(*size, torch.float32).requires_grad_()
    y = F.max_pool2d(x, window)
    g = normal(*y.shape).requires_grad_()
    (first,) = torch.autograd.grad(y, x, g, create_graph=True)
    assert torch.equal(first, torch.autograd.grad(F.max_pool2d(x, window), x, g)[0])
    v = normal(*x.shape)
    (second,) = torch.autograd.grad(first, g, v)
    position = torch.nn.functional.max_pool2d(x, window, return_indices=True)[1]
    assert torch.equal(second, v.flatten(2).gather(2, position.flatten(2)).view_as(y))


def test_positions_that_are_asked_for_are_pytorchs(ran):
    x = _pictures(4, 16, 10, 12, torch.float32).requires_grad_()
    y, position = F.max_pool2d(x, 2, return_indices=True)
    expected, positions = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(y, expected)
    assert position.dtype == torch.int64
    assert torch.equal(position, positions)
    assert ran() == (0, 0)


def _refused():
    x = _pictures(4, 16, 10, 12, torch.float32)
    return {
        "few": (x[:1, :, :2, :2].contiguous(memory_format=torch.channels_last), {}),
        "double": (x.double(), {}),
        "float16": (x.half(), {}),
        "dilation": (x, {"dilation": 2}),
        "no batch": (x[0], {}),
    }


REFUSED = _refused()


def _with_gaps():
    x = normal(4, 32, 10, 13)
    return {
        "a slice of planes": x[:, :, :, 1:],
        "half of the planes": x[:, :16],
        "a slice of pixels": x.contiguous(memory_format=torch.channels_last)[:, :, :, 1:],
        "half of the channels": x.contiguous(memory_format=torch.channels_last)[:, 16:],
        "rows for columns": x.mT,
        "one picture for all": x[:1].expand(4, -1, -1, -1),
    }


WITH_GAPS = _with_gaps()


@pytest.mark.parametrize("settings", [(2,), (3, 2, 1)], ids=["side by side", "overlapping"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("layout", WITH_GAPS)
def test_pictures_with_gaps_are_laid_anew(ran, dtype, layout, settings):
    x = WITH_GAPS[layout].to(dtype)

    def whole(y):
        """Cotangents whose sums are exact."""
        return (8 * normal(*y.shape, seed=1)).round().to(dtype)

    ours, theirs = (
        _run(lambda t, _, f=f: f(t, *settings), x, None, whole) for f in (F.max_pool2d, torch.nn.functional.max_pool2d)
    )
    assert ran() == (1, 1)
    assert ours[0].stride() == theirs[0].stride()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("case", REFUSED)
def test_others_go_another_way(ran, case):
    x, settings = REFUSED[case]
    ours, theirs = (
        _run(lambda x, size, f=f: f(x, size, **settings), x, 2) for f in (F.max_pool2d, torch.nn.functional.max_pool2d)
    )
    assert ran() == (0, 0)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_windows_of_more_than_a_byte_go_another_way(ran):
    x = _pictures(2, 8, 16, 17, torch.float32)
    torch.testing.assert_close(
        _run(F.max_pool2d, x, (16, 17)), _run(torch.nn.functional.max_pool2d, x, (16, 17)), rtol=0, atol=0
    )
    assert ran() == (0, 0)


@pytest.mark.parametrize(
    "settings", [((0, 2),), ((11, 2),), ((2, 13),), (-1,), (2, (1, 2, 3)), (2, 2, (1, 1, 1)), (2.0,), ("2",)], ids=str
)
def test_errors_are_pytorchs(settings):
    x = _pictures(4, 16, 10, 12, torch.float32)
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        torch.nn.functional.max_pool2d(x, *settings, return_indices=True)
    with pytest.raises(theirs.type) as ours:
        F.max_pool2d(x, *settings)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("layout", [LAYOUTS["contiguous"], LAYOUTS["channels last"]], ids=["planes", "channels last"])
@pytest.mark.parametrize("window", [5, 17, 40])
def test_the_gradient_lies_as_the_pictures_do(layout, window):
    """Also where nothing is compiled for, and of one window a picture."""
    for dtype in (torch.float32, torch.float64):
        x = layout(normal(2, 3, 40, 40, dtype=dtype)).requires_grad_()
        y = F.max_pool2d(x, window)
        (grad,) = torch.autograd.grad(y, x, torch.ones_like(y))
        assert grad.stride() == x.stride()
        assert torch.equal(grad, torch.autograd.grad(torch.nn.functional.max_pool2d(x, window).sum(), x)[0])

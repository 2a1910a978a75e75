"""Convolutions by Winograd's filtering equal their definition, and step aside where they would not."""

from fractions import Fraction
from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as torch_functional

from manualnet import functional as F
from manualnet.native import winograd as native

from .kit import DTYPES, compiled, counted, in_other_layouts, normal, threaded, using

SIDES = sorted(native._POINTS)
# Batch, channels in, height, width, channels out, padding.
SHAPES = {
    "one pixel": (1, 8, 1, 1, 8, (1, 1)),
    "whole tiles": (2, 16, 12, 12, 32, (1, 1)),
    "cut tiles": (5, 24, 7, 11, 40, (1, 1)),
    "no padding": (3, 8, 9, 5, 16, (0, 0)),
    "wide padding": (2, 32, 4, 3, 24, (2, 2)),
    "another padding each way": (2, 8, 6, 7, 72, (0, 2)),
    "a line": (3, 16, 1, 29, 8, (1, 1)),
    "more tiles than are taken at a time": (40, 8, 13, 14, 8, (1, 1)),
    "many channels": (2, 264, 5, 6, 200, (1, 1)),
}


def _forward(x, weight, bias, padding):
    return native.conv2d(x, weight, bias, padding)


def _gradient(g, x, padding):
    return native.conv2d_weight(g, x, (g.shape[1], x.shape[1], 3, 3), padding)


@pytest.fixture
def worth(monkeypatch):
    """Small calls run compiled too."""
    monkeypatch.setattr(native, "_WORTH", 0)
    monkeypatch.setattr(native, "_PIXELS", 0)
    monkeypatch.setattr(native, "_CHANNELS", 0)
    monkeypatch.setattr(native, "_MANY", 0)
    monkeypatch.setattr(native, "multiplies_bfloat16", lambda: False)


@pytest.fixture
def high():
    """Tiles of any size."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.fixture
def side(request, monkeypatch, high):
    """Tiles of one size only."""
    monkeypatch.setattr(native, "_POINTS", {request.param: native._POINTS[request.param]})
    return request.param


def _inputs(n, c, h, w, o, padding, dtype=torch.float32):
    oh, ow = h + 2 * padding[0] - 2, w + 2 * padding[1] - 2
    shapes = (n, c, h, w), (o, c, 3, 3), (n, o, oh, ow)
    x, weight, g = (normal(*s, seed=len(s) + s[0], dtype=dtype).to(memory_format=torch.channels_last) for s in shapes)
    return x, weight, normal(o, seed=3, dtype=dtype), g


def _check(result, rule, *inputs, **kwargs):
    """Against the sums in float64, by the largest sum of absolute values: a tile shares its error out."""
    inputs = [t.double() if isinstance(t, torch.Tensor) else t for t in inputs]
    exact = rule(*inputs, **kwargs)
    sizes = rule(*[t.abs() if isinstance(t, torch.Tensor) else t for t in inputs], **kwargs)
    assert result.shape == exact.shape
    assert result.is_contiguous(memory_format=torch.channels_last)
    # Rounded once.
    unit = torch.finfo(result.dtype).eps / 2 if result.dtype is torch.bfloat16 else 0
    assert ((result.double() - exact).abs() <= unit * exact.abs() + 3e-6 * sizes.max()).all()


@compiled
@threaded(SHAPES, ["cut tiles", "one pixel", "more tiles than are taken at a time"])
@pytest.mark.parametrize("side", SIDES, indirect=True)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.usefixtures("worth")
def test_shapes(dtype, side, shape, threads):
    padding = shape[-1]
    x, weight, bias, g = _inputs(*shape, dtype)
    with using(threads):
        y, grad = _forward(x, weight, bias, padding), _gradient(g, x, padding)
    _check(y, torch_functional.conv2d, x, weight, bias, padding=padding)
    _check(grad, torch.nn.grad.conv2d_weight, x, weight.shape, g, padding=padding)


@compiled
@pytest.mark.usefixtures("worth")
def test_kernels_in_any_layout():
    x, weight, _, _ = _inputs(3, 16, 8, 9, 24, (1, 1))
    expected = _forward(x, weight, None, (1, 1))
    for other in in_other_layouts(weight):
        assert torch.equal(_forward(x, other, None, (1, 1)), expected)
    expanded = weight[:, :1, :1, :1].expand_as(weight)
    _check(_forward(x, expanded, None, (1, 1)), torch_functional.conv2d, x, expanded, padding=1)


@compiled
@pytest.mark.usefixtures("worth")
def test_planes_are_laid_innermost_and_back():
    """The result has the layout that PyTorch's has; a kernel with its channels innermost is enough for that."""
    x, weight, bias, g = _inputs(3, 16, 8, 9, 24, (1, 1))
    expected, grad = _forward(x, weight, bias, (1, 1)), native.conv2d_input(g, weight, (1, 1))
    for kernel in (weight, weight.contiguous()):
        y = _forward(x.contiguous(), kernel, bias, (1, 1))
        theirs = torch_functional.conv2d(x.contiguous(), kernel, bias, padding=1)
        assert torch.equal(y, expected)
        assert y.stride() == theirs.stride()
    back = native.conv2d_input(g.contiguous(), weight.contiguous(), (1, 1))
    assert torch.equal(back, grad)
    assert torch.equal(_gradient(g.contiguous(), x.contiguous(), (1, 1)), _gradient(g, x, (1, 1)))


@compiled
@pytest.mark.usefixtures("worth")
def test_cotangents_in_any_layout():
    x, weight, _, g = _inputs(3, 16, 8, 9, 24, (1, 1))
    expected = _gradient(g, x, (1, 1))
    assert torch.equal(_gradient(g.contiguous(), x, (1, 1)), expected)
    ones = torch.ones(()).expand(g.shape)
    _check(_gradient(ones, x, (1, 1)), torch.nn.grad.conv2d_weight, x, weight.shape, ones, padding=1)


@compiled
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 3e38])
@pytest.mark.parametrize("where", range(3), ids=["input", "weight", "cotangent"])
@pytest.mark.parametrize("side", SIDES, indirect=True)
@pytest.mark.usefixtures("worth")
def test_numbers_that_overflow_go_another_way(side, bad, where):
    """One bad pixel would spoil its whole tile; by definition it spoils 3 × 3 outputs."""
    x, weight, bias, g = _inputs(4, 8, 9, 9, 16, (1, 1))
    (x, weight, g)[where][1, 2, 1, 1] = bad
    y, grad = _forward(x, weight, bias, (1, 1)), _gradient(g, x, (1, 1))
    assert (y is None) == (where != 2)
    assert (grad is None) == (where != 1)


@compiled
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_number_spoils_what_it_meets_and_no_more(bad):
    x, weight, bias, g = _inputs(4, 64, 16, 16, 64, (1, 1))
    assert native.suits(x, weight.shape, (1, 1), many=True)
    x[3, 4, 7, 7] = weight[5, 3, 0, 0] = bad
    x, weight = x.requires_grad_(), weight.requires_grad_()
    y, expected = F.conv2d(x, weight, bias, padding=1), torch_functional.conv2d(x, weight, bias, padding=1)
    assert torch.equal(y, expected) or torch.equal(y.isfinite(), expected.isfinite())
    ours, theirs = (torch.autograd.grad(t, [x, weight], g) for t in (y, expected))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a.isfinite(), b.isfinite())


@compiled
@pytest.mark.usefixtures("worth")
def test_a_long_sum_keeps_its_digits():
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.rand(500, 8, 32, 32, generator=generator).to(memory_format=torch.channels_last) for _ in range(2))
    exact = torch.nn.grad.conv2d_weight(x.double(), (8, 8, 3, 3), g.double(), padding=1)
    assert ((_gradient(g, x, (1, 1)) / exact - 1).abs() <= 4e-6).all()


@compiled
def test_a_convolution_and_both_of_its_gradients_take_it(monkeypatch):
    outputs, gradients = counted(monkeypatch, native, "_convolved"), counted(monkeypatch, native, "conv2d_weight")
    inputs = [t.requires_grad_() for t in _inputs(4, 64, 16, 16, 64, (1, 1))]
    g = inputs.pop().detach()
    y = F.conv2d(*inputs, padding=1)
    grads = torch.autograd.grad(y, inputs, g)
    assert [len(outputs), len(gradients)] == [2, 1]
    # To the last digit, which the plain sums do not share.
    assert all(map(torch.equal, [y, *grads[:2]], outputs + gradients))
    doubles = [t.detach().double().requires_grad_() for t in inputs]
    exact = torch.autograd.grad(torch_functional.conv2d(*doubles, padding=1), doubles, g.double())
    for grad, e in zip(grads, exact, strict=True):
        assert (grad - e).abs().max() <= 2e-6 * e.abs().max()


@compiled
def test_transforms_and_tangents_go_by_the_formula(monkeypatch):
    outputs = counted(monkeypatch, native, "conv2d")
    x, weight, bias, _ = _inputs(16, 16, 16, 16, 32, (1, 1))
    torch.func.vmap(lambda x: F.conv2d(x, weight, bias, padding=1))(x.unsqueeze(1))
    torch.func.jvp(lambda x: F.conv2d(x, weight, bias, padding=1), (x,), (x,))
    assert outputs == []


PLAIN = {"weight": (32, 32, 3, 3), "padding": (1, 1)}
ELSEWHERE = {
    "channels in": {"weight": (32, 24, 3, 3)},
    "channels out": {"weight": (36, 32, 3, 3)},
    "kernel": {"weight": (32, 32, 3, 2)},
    "padding": {"padding": (1, 3)},
    "negative padding": {"padding": (-1, 1)},
}


def _pictures(*shape):
    return torch.zeros(shape).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("settings", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_it_does_not_suit(settings):
    assert not native.suits(_pictures(16, 32, 16, 16), *(PLAIN | settings).values())


def test_which_pictures_it_suits():
    x = _pictures(16, 32, 16, 16)
    assert native.suits(x, *PLAIN.values())
    others = (
        _pictures(16, 36, 16, 16),
        _pictures(14, 32, 16, 16),
        x.contiguous(),
        x.double(),
        x.half(),
        x.to("meta"),
    )
    for other in (*others, _pictures(4096, 32, 1, 1)[..., 0]):
        assert not native.suits(other, *PLAIN.values())
    for pictures, enough in ((15, False), (16, True)):
        assert native.suits(_pictures(pictures, 64, 8, 8), *(PLAIN | {"weight": (64, 64, 3, 3)}).values()) == enough
    assert native.suits(x.bfloat16(), *PLAIN.values()) != native.multiplies_bfloat16()
    thin = _pictures(2048, 32, 2, 1)
    assert native.suits(thin, *PLAIN.values())
    assert not native.suits(thin, *(PLAIN | {"padding": (1, 0)}).values())


def test_of_how_many_channels_it_is():
    for c, o, result, gradient in ((16, 64, 0, 0), (64, 16, 0, 0), (24, 64, 1, 0), (64, 56, 1, 0), (64, 64, 1, 1)):
        of_these = PLAIN | {"weight": (o, c, 3, 3)}
        x = _pictures(64, c, 16, 16)
        found = [native.suits(x, *of_these.values(), many=many) for many in (False, True)]
        assert found == [result, gradient], (c, o)
        assert native.suits(x.contiguous(), *of_these.values()) == gradient


WRONG = {
    "a weight of another type": (lambda w, b: (w.double(), None)),
    "a bias of another type": (lambda w, b: (w, b.double())),
    "a bias of another shape": (lambda w, b: (w, b[:-1])),
    "a weight of other channels": (lambda w, b: (w[:, :8], None)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_told_by_pytorch(wrong):
    x, weight, bias, _ = _inputs(16, 32, 16, 16, 32, (1, 1))
    wrong = wrong(weight, bias)
    with pytest.raises(RuntimeError) as theirs:
        torch_functional.conv2d(x, *wrong, padding=1)
    with pytest.raises(RuntimeError) as ours:
        F.conv2d(x, *wrong, padding=1)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("result", [None, 1])
@pytest.mark.usefixtures("worth")
def test_without_a_compiler_or_memory_another_way_is_gone(monkeypatch, result):
    function = Mock(argtypes=None, return_value=result)
    library = result and Mock(winograd=function, winograd_weight=function)
    monkeypatch.setattr(native, "load", lambda *files, **kwargs: library)
    x, weight, bias, g = _inputs(*SHAPES["whole tiles"])
    assert _forward(x, weight, bias, (1, 1)) is None
    assert _gradient(g, x, (1, 1)) is None
    assert function.call_count == (2 if result else 0)


@pytest.mark.parametrize("side", SIDES)
def test_the_transforms_give_the_outputs_of_a_filter_exactly(side):
    points = [Fraction(p, 8) for p in native._POINTS[side]]
    a, g, b = native.transforms(points, side)
    taps, inputs = (3, -5, 7), (2, 1, -4, 8, 0, 6)[: side + 2]
    times = [[sum(x * v for x, v in zip(row, of, strict=True)) for row in m] for m, of in ((g, taps), (b, inputs))]
    values = [u * v for u, v in zip(*times, strict=True)]
    outputs = [sum(row[i] * v for row, v in zip(a, values, strict=True)) for i in range(side)]
    assert outputs == [sum(w * inputs[i + k] for k, w in enumerate(taps)) for i in range(side)]


PLANES = (31, 31), (9, 9), (2, 2), (4, 4), (3, 4)


def _sides(monkeypatch, dtype=torch.float32):
    chosen = []
    monkeypatch.setattr(native, "_head", lambda m, dtype: chosen.append(m) or "")
    monkeypatch.setattr(native, "load", lambda *files, **kwargs: None)
    for plane in PLANES:
        native._kernel("winograd", dtype, *plane)
    return chosen


@pytest.mark.usefixtures("high")
def test_the_tile_is_the_one_with_the_fewest_products(monkeypatch):
    assert _sides(monkeypatch) == [4, 3, 2, 4, 4]


def test_large_tiles_have_to_be_allowed(monkeypatch):
    assert torch.get_float32_matmul_precision() == "highest"
    assert _sides(monkeypatch) == [2] * len(PLANES)
    # What is rounded to bfloat16 in the end may use them.
    monkeypatch.undo()
    assert _sides(monkeypatch, torch.bfloat16) == [4, 3, 2, 4, 4]

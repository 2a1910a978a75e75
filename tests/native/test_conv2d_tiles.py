"""Convolutions by tiles equal their definition, and step aside where they would not."""

from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as torch_functional

from manualnet import functional as F
from manualnet import reference
from manualnet.functional._multiply import multiplies
from manualnet.functional.layers.max_pool2d import windows_of
from manualnet.native import conv2d_tiles as native
from manualnet.native import conv2d_weight, max_pool2d
from manualnet.native.call import multiplies_tiles

from .kit import compiled, counted, in_other_layouts, normal, threaded, using

tiled = pytest.mark.skipif(not multiplies_tiles(), reason="this processor does not multiply tiles")
# Batch, channels in, height, width, channels out, kernel height, padding.
SHAPES = {
    "one pixel": (1, 1, 1, 1, 1, 3, (1, 1)),
    "whole tiles": (16, 32, 6, 8, 32, 3, (1, 1)),
    "cut tiles": (17, 37, 7, 9, 45, 3, (1, 1)),
    "no padding": (3, 8, 9, 5, 16, 3, (0, 0)),
    "wide padding": (2, 32, 4, 3, 24, 3, (3, 4)),
    "another padding each way": (2, 8, 6, 7, 72, 3, (0, 2)),
    "one column": (5, 40, 9, 3, 8, 3, (1, 0)),
    "low kernel": (3, 16, 5, 29, 8, 1, (0, 1)),
    "tall kernel": (4, 20, 12, 6, 33, 5, (2, 1)),
    "bands that do not divide": (2, 16, 37, 5, 16, 3, (1, 1)),
    "many channels": (2, 330, 5, 6, 400, 3, (1, 1)),
    "more rows than the cache holds": (40, 256, 14, 14, 8, 3, (1, 1)),
}


@pytest.fixture
def worth(monkeypatch):
    """Small calls run compiled too."""
    monkeypatch.setattr(native, "_WORTH", 0)
    monkeypatch.setattr(native, "_CHANNELS", 0)


def _inputs(n, c, h, w, o, kh, padding):
    oh, ow = h + 2 * padding[0] - kh + 1, w + 2 * padding[1] - 2
    shapes = (n, c, h, w), (o, c, kh, 3), (n, o, oh, ow)
    x, weight, g = (
        normal(*s, seed=len(s) + s[0], dtype=torch.bfloat16).to(memory_format=torch.channels_last) for s in shapes
    )
    return x, weight, normal(o, seed=3, dtype=torch.bfloat16), g


def _forward(x, weight, bias, padding):
    return native.conv2d(x, weight, bias, padding)


def _check(result, rule, *inputs, **kwargs):
    """Rounded once, after sums in float32."""
    inputs = [t.double() if isinstance(t, torch.Tensor) else t for t in inputs]
    exact, sizes = (
        rule(*inputs, **kwargs),
        rule(*[t.abs() if isinstance(t, torch.Tensor) else t for t in inputs], **kwargs),
    )
    assert result.dtype is torch.bfloat16
    assert result.shape == exact.shape
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert ((result.double() - exact).abs() <= 2**-8 * exact.abs() + 2e-6 * sizes).all()


@compiled
@tiled
@threaded(SHAPES, ["cut tiles", "one pixel", "bands that do not divide"])
@pytest.mark.usefixtures("worth")
def test_shapes(shape, threads):
    padding = shape[-1]
    x, weight, bias, g = _inputs(*shape)
    with using(threads):
        y, plain = _forward(x, weight, bias, padding), _forward(x, weight, None, padding)
        grad = native.conv2d_input(g, weight, padding)
    _check(y, torch_functional.conv2d, x, weight, bias, padding=padding)
    _check(plain, torch_functional.conv2d, x, weight, padding=padding)
    if all(p < k for p, k in zip(padding, weight.shape[2:], strict=True)):
        _check(grad, torch_functional.conv_transpose2d, g, weight, padding=padding)
    else:
        assert grad is None


@compiled
@tiled
@threaded(SHAPES, ["cut tiles", "bands that do not divide", "another padding each way"])
@pytest.mark.parametrize("few", [False, True], ids=["", "few numbers"])
@pytest.mark.usefixtures("worth")
def test_pooled_as_it_is_computed(shape, threads, few):
    """Bit by bit what the operations give one after the other; of few numbers many are equal."""
    padding = shape[-1]
    x, weight, bias, _ = _inputs(*shape)
    if few:
        x, weight, bias = x.sign(), weight.sign(), bias.sign()
    with using(threads):
        pooled = native.conv2d_max_pool2d(x, weight, bias, padding)
        z = _forward(x, weight, bias, padding)
        if min(z.shape[2:]) < 2:
            assert pooled is None
            return
        windows = windows_of(z.shape, 2, None, 0, 1, False)
        expected = max_pool2d.max_pool2d(z, windows)
        assert all(map(torch.equal, pooled, expected))
        assert all(t.is_contiguous(memory_format=torch.channels_last) for t in pooled)
        g = normal(*pooled[0].shape, seed=9, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
        grad_z = max_pool2d.max_pool2d_backward(g, pooled[1], z.shape[2:], windows)
        known = pooled[1], z.shape[2:]
        grads = [native.conv2d_input(t, weight, padding, *which) for t, which in ((g, [known]), (grad_z, []))]
        of_weight = conv2d_weight.conv2d_weight(g, x, weight.shape, (1, 1), padding, (1, 1), 1, known)
    assert grads[0] is grads[1] is None or torch.equal(*grads)
    if of_weight is not None:  # large enough
        _check(of_weight, torch.nn.grad.conv2d_weight, x, weight.shape, grad_z, padding=padding)


@compiled
@tiled
@pytest.mark.usefixtures("worth")
def test_kernels_in_any_layout():
    x, weight, _, _ = _inputs(3, 16, 8, 9, 24, 3, (1, 1))
    expected = _forward(x, weight, None, (1, 1))
    for other in in_other_layouts(weight):
        assert torch.equal(_forward(x, other, None, (1, 1)), expected)
    expanded = weight[:, :1, :1, :1].expand_as(weight)
    _check(_forward(x, expanded, None, (1, 1)), torch_functional.conv2d, x, expanded, padding=1)


@compiled
@tiled
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("where", ["input", "weight", "bias"])
@pytest.mark.usefixtures("worth")
def test_numbers_that_are_not_finite_go_another_way(bad, where):
    inputs = dict(zip(("input", "weight", "bias"), _inputs(4, 8, 9, 9, 20, 3, (1, 1)), strict=False))
    inputs[where][(-1,) * inputs[where].dim()] = bad
    assert _forward(*inputs.values(), (1, 1)) is None


@compiled
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_number_spoils_what_it_meets_and_no_more(bad):
    x, weight, bias, g = _inputs(16, 32, 16, 16, 32, 3, (1, 1))
    x[3, 4, 7, 7] = weight[5, 3, 0, 0] = bad
    x, weight = x.requires_grad_(), weight.requires_grad_()
    # In the type that is multiplied: of others PyTorch multiplies the zeros of the border, too.
    dtype = torch.bfloat16 if multiplies(torch.bfloat16) else torch.float32
    like = [t.detach().to(dtype).requires_grad_() for t in (x, weight)]
    y, expected = F.conv2d(x, weight, bias, padding=1), torch_functional.conv2d(*like, bias.to(dtype), padding=1)
    assert torch.equal(y.isfinite(), expected.isfinite())
    ours, theirs = torch.autograd.grad(y, [x, weight], g), torch.autograd.grad(expected, like, g.to(dtype))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a.isfinite(), b.isfinite())


@compiled
@tiled
def test_a_convolution_and_its_input_gradient_take_it(monkeypatch):
    outputs = counted(monkeypatch, native, "conv2d")
    inputs = [t.requires_grad_() for t in _inputs(16, 32, 16, 16, 32, 3, (1, 1))]
    g = inputs.pop().detach()
    y = F.conv2d(*inputs, padding=1)
    (grad,) = torch.autograd.grad(y, inputs[:1], g)
    assert all(map(torch.equal, [y, grad], outputs))


@compiled
@tiled
def test_a_pooled_convolution_and_its_gradients_take_it(monkeypatch):
    pooled, inputs = counted(monkeypatch, native, "conv2d_max_pool2d"), counted(monkeypatch, native, "conv2d_input")
    weights, unpooled = counted(monkeypatch, conv2d_weight, "conv2d_weight"), counted(monkeypatch, max_pool2d, "_run")
    x, weight, bias, _ = (t.requires_grad_() for t in _inputs(16, 32, 17, 16, 32, 3, (1, 1)))
    y = F.conv2d_max_pool2d(x, weight, bias, padding=1)
    grads = torch.autograd.grad(y.square().sum(), [x, weight])
    assert torch.equal(y, pooled[0][0])
    assert all(map(torch.equal, grads, [inputs[0], weights[0]]))
    assert unpooled == []


LAST, FIRST = torch.channels_last, torch.contiguous_format


@compiled
@pytest.mark.parametrize("pool_size", [2, (2, 1), (1, 4), (4, 1), 3])
@pytest.mark.parametrize("layout", [LAST, FIRST], ids=["channels last", "planes"])
@pytest.mark.parametrize("of_gradient", [LAST, FIRST], ids=["its gradient too", "its gradient in planes"])
def test_whatever_is_pooled(pool_size, layout, of_gradient):
    """Of whole numbers, so that sums are the same in every type and the same places are the largest."""
    *inputs, _ = _inputs(16, 32, 17, 16, 32, 3, (1, 1))
    inputs[:2] = [t.contiguous(memory_format=layout) for t in inputs[:2]]  # either decides how the result lies
    inputs = [t.sign().requires_grad_() for t in inputs]
    ours = F.conv2d_max_pool2d(*inputs, padding=1, pool_size=pool_size)
    g = normal(*ours.shape, seed=9, dtype=torch.bfloat16).contiguous(memory_format=of_gradient)
    _check_pooled(ours, torch.autograd.grad(ours, inputs, g), inputs, g, padding=1, pool_size=pool_size)


def _check_pooled(y, grads, inputs, g, **settings):
    """Against the same in double precision: on some machines PyTorch rounds its sums of half precision on the way."""
    wide = [t.detach().double().requires_grad_() for t in inputs]
    exact = reference.functional.conv2d_max_pool2d(*wide, **settings)
    assert torch.equal(y.double(), exact)
    for a, b in zip(grads, torch.autograd.grad(exact, wide, g.double()), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=2**-6, atol=2**-4)


@compiled
@pytest.mark.parametrize("groups", [2, 4])
def test_pooled_in_groups(monkeypatch, groups):
    """Of whole numbers, as above."""
    weights = counted(monkeypatch, conv2d_weight, "conv2d_weight")
    x, weight, bias, _ = _inputs(16, 32, 17, 16, 32, 3, (1, 1))
    inputs = [t.sign().requires_grad_() for t in (x, weight[:, : 32 // groups].contiguous(memory_format=LAST), bias)]
    ours = F.conv2d_max_pool2d(*inputs, padding=1, groups=groups)
    g = normal(*ours.shape, seed=9, dtype=torch.bfloat16).contiguous(memory_format=LAST)
    grads = torch.autograd.grad(ours, inputs, g)
    assert weights[-1] is grads[1]
    _check_pooled(ours, grads, inputs, g, padding=1, groups=groups)


@compiled
@tiled
def test_the_gradient_of_one_factor_alone():
    x, weight, *_ = _inputs(16, 32, 17, 16, 32, 3, (1, 1))
    both = F.conv2d_max_pool2d(x.requires_grad_(), weight.requires_grad_(), padding=1).sum()
    for i, expected in enumerate(torch.autograd.grad(both, [x, weight])):
        inputs = [t.detach().requires_grad_(i == k) for k, t in enumerate((x, weight))]
        (grad,) = torch.autograd.grad(F.conv2d_max_pool2d(*inputs, padding=1).sum(), inputs[i])
        assert torch.equal(grad, expected)


@compiled
@pytest.mark.parametrize("pool_size", [2, 3])
def test_pooled_where_somebody_records(monkeypatch, pool_size):
    ways = [counted(monkeypatch, native, name) for name in ("conv2d_max_pool2d", "conv2d_input")]
    ways.append(counted(monkeypatch, conv2d_weight, "conv2d_weight"))
    x, weight, bias, _ = _inputs(16, 32, 17, 16, 32, 3, (1, 1))
    weight.requires_grad_()

    def pooled(x):
        return F.conv2d_max_pool2d(x, weight, bias, padding=1, pool_size=pool_size)

    torch.func.vmap(pooled)(x.unsqueeze(1))
    torch.func.jvp(pooled, (x,), (x,))
    assert ways == [[], [], []]
    y = pooled(x.requires_grad_())
    ways[0].clear()
    torch.autograd.grad(y.sum(), [x, weight], create_graph=True)
    assert ways == [[], [], []]


@compiled
def test_transforms_and_tangents_go_by_the_formula(monkeypatch):
    outputs = counted(monkeypatch, native, "conv2d")
    x, weight, bias, _ = _inputs(16, 32, 16, 16, 32, 3, (1, 1))
    torch.func.vmap(lambda x: F.conv2d(x, weight, bias, padding=1))(x.unsqueeze(1))
    torch.func.jvp(lambda x: F.conv2d(x, weight, bias, padding=1), (x,), (x,))
    assert outputs == []


@compiled
@pytest.mark.parametrize("failed", [1, 2], ids=["no memory", "not finite"])
def test_what_fails_goes_another_way(monkeypatch, failed):
    class _Library:
        conv2d_tiles = Mock(argtypes=None, return_value=failed)

    monkeypatch.setattr(native, "load", lambda *files: _Library)
    x, weight, bias, _ = _inputs(16, 32, 16, 16, 32, 3, (1, 1))
    assert _forward(x, weight, bias, (1, 1)) is None
    assert _Library.conv2d_tiles.called


def test_which_tensors_it_suits(monkeypatch):
    class _Library:
        conv2d_tiles = Mock(argtypes=None, return_value=0)

    monkeypatch.setattr(native, "load", lambda *files: _Library)
    x, weight, bias, _ = _inputs(16, 32, 16, 16, 32, 3, (1, 1))
    few = x[:, :8].contiguous(memory_format=torch.channels_last)
    others = {
        "a weight of another type": (x, weight.float(), None),
        "a bias of another type": (x, weight, bias.float()),
        "a bias of another shape": (x, weight, bias[:-1]),
        "other channels": (x, weight[:, :8], None),
        "few channels in, many pixels": (few[:9], weight[:, :8], None),
        "few channels out, many pixels": (x[:9], weight[:8], None),
        "few channels, many products": (few[:8], weight[:, :8].repeat(2, 1, 1, 1), None),
        "channels outermost": (x.contiguous(), weight, None),
        "small": (x[:1, :, :1, :1], weight, None),
        "another kernel": (x, weight[..., :2], None),
        "no picture": (x[0], weight, None),
        "negative padding": (x, weight, None),
        "elsewhere": (x.to("meta"), weight.to("meta"), None),
    }
    for name, tensors in others.items():
        assert _forward(*tensors, (-1, 1) if name == "negative padding" else (1, 1)) is None, name
    assert not _Library.conv2d_tiles.called
    assert _forward(x, weight, bias, (1, 1)) is not None
    assert _forward(few[:8], weight[:, :8], None, (1, 1)) is not None
    assert native.conv2d_max_pool2d(few, weight[:, :8], None, (1, 1)) is not None


@compiled
def test_a_pooled_convolution_in_float32_is_none_of_its_business():
    x, weight, _, _ = (t.float().requires_grad_() for t in _inputs(16, 32, 16, 16, 32, 3, (1, 1)))
    y = F.conv2d_max_pool2d(x, weight, padding=1)
    ours = torch.autograd.grad(y, (x, weight), torch.ones_like(y))
    exact = torch_functional.max_pool2d(torch_functional.conv2d(x.double(), weight.double(), padding=1), 2)
    for grad, e in zip(ours, torch.autograd.grad(exact, (x, weight), torch.ones_like(exact)), strict=True):
        torch.testing.assert_close(grad, e, rtol=1e-3, atol=1e-3 * e.abs().max().item())

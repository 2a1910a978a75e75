"""What the specs cannot say of pooling: ties, types, errors, the draw and compositions."""

import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from manualnet import functional as F
from manualnet.functional.layers._windows import spread
from manualnet.functional.layers.avg_pool2d import AvgPool2d, _counts

SEED = 20240122
# The package's attribute of this name is the function.
avg_pool2d_file = sys.modules[AvgPool2d.__module__]
POOLS = {
    "max_pool2d": ((3, 2, 1), {}),
    "avg_pool2d": ((3, 2, 1), {"ceil_mode": True, "count_include_pad": False}),
    "adaptive_avg_pool2d": (((3, 2),), {}),
}


def _image(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64).to(dtype)


def _run(function, x, *args, **kwargs):
    x = x.detach().clone().requires_grad_()
    y = function(x, *args, **kwargs)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return y.detach(), torch.autograd.grad(y, x, cotangent)[0]


def test_max_pooling_takes_nan_and_infinity_as_pytorch():
    x = torch.tensor([[[1.0, float("nan"), -float("inf"), -float("inf")], [float("nan"), 5.0, -float("inf"), 2.0]]])
    for size in (2, (1, 2)):
        ours, theirs = _run(F.max_pool2d, x, size), _run(torch.nn.functional.max_pool2d, x, size)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


def test_max_pooling_of_a_plateau_gives_all_to_the_first():
    x = torch.zeros(1, 4, 4, requires_grad=True)
    F.max_pool2d(x, 3, 1).sum().backward()
    expected = torch.zeros(1, 4, 4)
    expected[0, :2, :2] = 1
    assert torch.equal(x.grad, expected)


def test_positions_are_pytorchs_and_without_gradient():
    x = _image(2, 3, 6, 6).requires_grad_()
    y, position = F.max_pool2d(x, 3, 2, 1, return_indices=True)
    expected, expected_position = torch.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert torch.equal(y, expected)
    assert torch.equal(position, expected_position)
    assert not position.requires_grad


@pytest.mark.parametrize("shape", [(2, 3, 6, 12), (3, 6, 12)], ids=str)
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "copied"),
    [
        pytest.param((2, 3), None, 0, True, id="side by side"),
        pytest.param((3, 2), (3, 2), 0, True, id="side by side, tall"),
        pytest.param(3, 3, 1, False, id="shifted by the padding"),
        pytest.param(3, 2, 0, False, id="overlapping"),
        # Two windows of 3 in 6 rows, which start 2 rows apart: as many as would lie side by side.
        pytest.param(3, (2, 3), 0, False, id="overlapping, though they could fill it"),
        pytest.param(4, 4, 0, False, id="with rows left over"),
    ],
)
def test_cotangents_of_means_are_copied_where_windows_fill_the_plane(
    monkeypatch, shape, kernel, stride, padding, copied
):
    calls = []
    monkeypatch.setattr(avg_pool2d_file, "spread", lambda *args, **kwargs: calls.append(1) or spread(*args, **kwargs))
    x, settings = _image(*shape), (kernel, stride, padding)
    ours, theirs = _run(F.avg_pool2d, x, *settings), _run(torch.nn.functional.avg_pool2d, x, *settings)
    torch.testing.assert_close(ours, theirs)
    assert bool(calls) is copied


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_as_accurate_as_pytorch(name, dtype):
    args, kwargs = POOLS[name]
    x = _image(4, 8, 9, 9, dtype=dtype)
    theirs = getattr(torch.nn.functional, name)
    exact = _run(theirs, x.double(), *args, **kwargs)
    for a, b, e in zip(
        _run(getattr(F, name), x, *args, **kwargs), _run(theirs, x, *args, **kwargs), exact, strict=True
    ):
        assert a.dtype == dtype
        ulp = e.abs().max() * torch.finfo(dtype).eps
        assert (a.double() - e).abs().max() <= 2 * (b.double() - e).abs().max() + 4 * ulp


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("window", "stride", "padding"), [(9, None, 0), (9, 11, 4), ((3, 30), None, 0), (17, 5, 8), (9, (9, 8), 0)], ids=str
)
def test_large_windows(dtype, layout, window, stride, padding):
    x = _image(3, 40, 37, dtype=dtype).unsqueeze(0).repeat(2, 2, 1, 1).contiguous(memory_format=layout)
    x[0, 1, 3, 5] = float("nan")
    grads = []
    for function in (F.max_pool2d, torch.nn.functional.max_pool2d):
        leaf = x.detach().requires_grad_()
        y = function(leaf, window, stride, padding)
        g = torch.randint(-4, 5, y.shape, generator=torch.Generator().manual_seed(1)).to(y)
        grads.append((y.detach(), *torch.autograd.grad(y, leaf, g)))
    (y, grad), (expected, theirs) = grads
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(grad, theirs, rtol=0, atol=0)
    assert grad.is_contiguous(memory_format=layout)


class _Sums(TorchDispatchMode):
    """Keeps the types in which scattered numbers are added."""

    def __init__(self):
        super().__init__()
        self.types = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.scatter_add.default:
            self.types.add(args[0].dtype)
        return func(*args, **(kwargs or {}))


def test_cotangents_of_one_maximum_are_added_in_float32():
    """By itself the CPU's kernel would do so too, but a GPU's would not."""
    x = _image(1, 5, 5, dtype=torch.bfloat16).requires_grad_()
    y = F.max_pool2d(x, 3, 1)
    with _Sums() as sums:
        y.sum().backward()
    assert sums.types == {torch.float32}


@pytest.mark.parametrize("padding", [0, 1])
def test_the_counts_of_windows(padding):
    """Of both axes with the wrong sign they would give the right divisor."""
    counts = _counts(torch.empty(3, 2), 0, 5, 2, 2, padding, False)
    assert counts.tolist() == [[2, 2, 1], [1, 2, 2]][padding]


def test_adaptive_pooling_to_nothing():
    x = _image(1, 2, 4, 4).requires_grad_()
    y = F.adaptive_avg_pool2d(x, (0, 2))
    assert y.shape == (1, 2, 0, 2)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.zeros_like(x))


@pytest.mark.parametrize("name", POOLS)
def test_autocast_does_not_touch_a_backward_in_float32(name):
    args, kwargs = POOLS[name]
    x = _image(2, 3, 9, 9, dtype=torch.float32)
    plain = _run(getattr(F, name), x, *args, **kwargs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = _run(getattr(F, name), x, *args, **kwargs)
    torch.testing.assert_close(cast, plain)


@pytest.mark.parametrize("name", [*POOLS, "stochastic_pool2d"])
def test_compiles_whole(name):
    args, kwargs = POOLS.get(name, ((2, 1, 1, False), {}))
    function = getattr(F, name)
    compiled = torch.compile(lambda x: function(x, *args, **kwargs), fullgraph=True, backend="aot_eager")
    x = _image(2, 3, 6, 6)
    torch.testing.assert_close(_run(compiled, x), _run(function, x, *args, **kwargs))


@pytest.mark.parametrize("name", [*POOLS, "stochastic_pool2d"])
def test_per_example_gradients_and_hessian(name):
    args, kwargs = POOLS.get(name, ((2, 1, 1, False), {}))
    x = _image(3, 2, 4, 5).abs()

    def loss(x):
        return getattr(F, name)(x, *args, **kwargs).pow(3).sum()

    each = torch.func.vmap(torch.func.grad(loss))(x)
    torch.testing.assert_close(each, torch.stack([torch.func.grad(loss)(image) for image in x]))
    hessian = torch.func.hessian(loss)(x[0])
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(loss, x[0]))
    assert hessian.abs().max() > 0


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("max_pool2d", (2, 2, 2), {}),
        ("max_pool2d", (0,), {}),
        ("max_pool2d", ((2, 2, 2),), {}),
        ("max_pool2d", (9,), {}),
        ("max_pool2d", (2.0,), {}),
        ("max_pool2d", (2,), {"dilation": 0}),
        ("avg_pool2d", (2, 2, 2), {}),
        ("avg_pool2d", (2, 0), {}),
        ("avg_pool2d", (9,), {}),
        ("avg_pool2d", (2,), {"divisor_override": 0}),
        ("adaptive_avg_pool2d", ((2,),), {}),
        ("adaptive_avg_pool2d", (-1,), {}),
        ("adaptive_avg_pool2d", (None,), {}),
        ("adaptive_avg_pool2d", (2.0,), {}),
    ],
)
def test_errors_have_pytorchs_type(name, args, kwargs):
    for x in (torch.ones(1, 2, 4, 4), torch.ones(4, 4), torch.ones(1, 256, 4, 4)):
        with pytest.raises(Exception) as expected:  # noqa: PT011
            getattr(torch.nn.functional, name)(x, *args, **kwargs)
        with pytest.raises(expected.type):
            getattr(F, name)(x, *args, **kwargs)


@pytest.mark.parametrize("name", [*POOLS, "stochastic_pool2d"])
def test_complex_is_refused(name):
    with pytest.raises(NotImplementedError, match="real"):
        getattr(F, name)(torch.ones(1, 4, 4, dtype=torch.complex64), 2)


def test_the_draw_is_in_proportion():
    n = 20_000
    x = torch.tensor([[1.0, 0.0, -4.0], [5.0, 2.0, 0.0]]).expand(n, 2, 3)
    torch.manual_seed(SEED)
    drawn = F.stochastic_pool2d(x, (2, 3)).flatten()
    for value, p in ((1.0, 1 / 8), (5.0, 5 / 8), (2.0, 2 / 8)):
        share = (drawn == value).double().mean()
        # Four standard deviations of a share of n draws.
        assert abs(share - p) < 4 * (p * (1 - p) / n) ** 0.5
    assert set(drawn.tolist()) == {1.0, 2.0, 5.0}
    assert drawn.double().mean().item() == pytest.approx(
        F.stochastic_pool2d(x[:1], (2, 3), training=False).item(), abs=0.05
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_padding_is_never_drawn(dtype):
    torch.manual_seed(SEED)
    x = torch.rand(8, 5, 5).add(1).to(dtype)
    assert (F.stochastic_pool2d(x, 3, 1, 1) >= 1).all()
    assert torch.equal(F.stochastic_pool2d(torch.zeros(1, 5, 5), 3, 2, 1), torch.zeros(1, 3, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_draws_as_float32(dtype):
    """In few bits many waiting times would be equal, and the first of the window would win too often."""
    x = _image(64, 64, 64, dtype=dtype)
    torch.manual_seed(SEED)
    drawn = F.stochastic_pool2d(x, 8)
    torch.manual_seed(SEED)
    assert torch.equal(drawn, F.stochastic_pool2d(x.float(), 8).to(dtype))


def test_overlapping_windows_draw_on_their_own():
    torch.manual_seed(SEED)
    x = torch.arange(1.0, 10.0).reshape(1, 3, 3).expand(200, 3, 3)
    y = F.stochastic_pool2d(x, 2, 1)
    assert (y[:, 0, 0] != y[:, 0, 1]).any()
    assert len(set(y[:, 1, 1].tolist())) == 4


def test_stochastic_evaluation_by_hand():
    x = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64, requires_grad=True)
    y = F.stochastic_pool2d(x, (1, 2), training=False)
    y.sum().backward()
    assert y.item() == 2.5
    assert x.grad.flatten().tolist() == [(2 * 1 - 2.5) / 4, (2 * 3 - 2.5) / 4]


# Shape, kernel, stride and padding.
FITS = [
    ((1, 4, 4), 1, 1, 0),
    ((1, 4, 5), 4, 1, 0),
    ((0, 1, 4, 4), (4, 2), None, (2, 1)),
    ((1, 1, 1, 3), 3, 1, 1),
    ((2, 2, 1), (2, 1), 9, (1, 0)),
]
FITS_NOT = [
    ((4, 4), 2, 1, 0),
    ((1, 1, 1, 4, 4), 2, 1, 0),
    ((2, 0, 4, 4), 2, 1, 0),
    ((2, 1, 0, 4), 2, 1, 1),
    ((1, 4, 4), (2, 2, 2), 1, 0),
    ((1, 4, 4), 2, (1, 1, 1), 0),
    ((1, 4, 4), 2, 1, (0, 0, 0)),
    ((1, 4, 4), (0, 1), 1, 0),
    ((1, 4, 4), (1, 0), 1, 0),
    ((1, 4, 4), 2, (0, 1), 0),
    ((1, 4, 4), 2, (1, 0), 0),
    ((1, 4, 4), 2, 1, (-1, 0)),
    ((1, 4, 4), 3, 1, (2, 0)),
    ((1, 4, 4), 2, 1, (0, 2)),
    ((1, 4, 5), 5, 1, 0),
    ((1, 4, 4), (2, 7), 1, (0, 1)),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", FITS, ids=str)
def test_what_stochastic_pooling_takes(case, training):
    shape, *settings = case
    y = F.stochastic_pool2d(torch.ones(shape), *settings, training=training)
    assert y.shape == torch.nn.functional.avg_pool2d(torch.ones(shape), *settings).shape
    assert (y == 1).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", FITS_NOT, ids=str)
def test_stochastic_pooling_refuses_what_pooling_refuses(case, training):
    shape, *settings = case
    with pytest.raises((RuntimeError, IndexError)):
        torch.nn.functional.avg_pool2d(torch.ones(shape), *settings)
    with pytest.raises(RuntimeError, match="stochastic_pool2d: "):
        F.stochastic_pool2d(torch.ones(shape), *settings, training=training)


@pytest.mark.parametrize("training", [True, False])
def test_stochastic_pooling_refuses_whole_numbers(training):
    with pytest.raises(NotImplementedError):
        F.stochastic_pool2d(torch.ones(1, 4, 4).long(), 2, training=training)


def test_sizes_that_are_symbols_of_a_compiler():
    pooled = torch.compile(lambda x: F.max_pool2d(x, 2), dynamic=True, backend="aot_eager", fullgraph=True)
    for size in (8, 10):
        x = torch.randn(2, 3, size, size, requires_grad=True)
        y, expected = pooled(x), torch.nn.functional.max_pool2d(x, 2)
        assert torch.equal(y, expected)
        assert torch.equal(*(torch.autograd.grad(t.sum(), x)[0] for t in (y, expected)))

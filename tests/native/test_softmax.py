"""The compiled gradients of softmax and of its logarithm equal their formulas, in double precision."""

import pytest
import torch

from manualnet import functional as F
from manualnet.native import softmax as native

from .kit import DTYPES, compiled, counted, normal, threaded, using

pytestmark = compiled
# Shapes and an axis: rows that are turned and rows that are not, blocks that are cut, other axes than the last.
SHAPES = {
    "few elements": ((100, 10), 1),
    "several blocks": ((700, 10), 1),
    "the most floats that are turned": ((131, 15), -1),
    "the most halves that are turned": ((131, 31), -1),
    "a vector": ((70, 32), 1),
    "a vector and one": ((70, 33), 1),
    "cut vectors": ((7, 100), 1),
    "more than a block": ((3, 513), 1),
    "one long row": ((1, 5001), 1),
    "one row": ((300,), 0),
    "one element": ((300, 1), 1),
    "columns": ((40, 50), 0),
    "long columns": ((1100, 3), 0),
    "planes": ((2, 21, 9, 16), 1),
    "rows of planes": ((4, 5, 6, 7), -2),
    "rows over threads": ((4096, 10), 1),
    "planes over threads": ((6, 21, 16, 17), 1),
    "long rows over threads": ((64, 1024), 1),
}
NAMES = ["softmax", "log_softmax"]


def _gradient(function, x, dim, g):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x, dim), x, g.to(x.dtype))[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES, [name for name in SHAPES if "threads" in name])
def test_shapes(monkeypatch, name, dtype, shape, threads):
    ran = counted(monkeypatch, native, f"{name}_backward")
    shape, dim = shape
    x, g = (4 * normal(*shape)).to(dtype).requires_grad_(), normal(*shape, seed=1, dtype=dtype)
    y = getattr(F, name)(x, dim)
    with using(threads):
        (ours,) = torch.autograd.grad(y, x, g)
    assert ran[0] is ours
    y, wide = y.detach().double(), g.double()
    p, total = (y, (wide * y).sum(dim, keepdim=True)) if name == "softmax" else (y.exp(), wide.sum(dim, keepdim=True))
    exact = p * (wide - total) if name == "softmax" else wide - p * total
    # Half precision is rounded once, after float32's own errors on terms of about this size.
    unit, terms = torch.finfo(dtype).eps, shape[dim] ** 0.5
    rtol = unit * (0.51 if dtype == torch.bfloat16 else 8)
    torch.testing.assert_close(ours.double(), exact, rtol=rtol, atol=2**-20 * terms)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [21, 40])
def test_pictures_with_their_classes_innermost(name, classes):
    y = getattr(torch, name)(normal(2, classes, 9, 16), 1)
    g = normal(*y.shape, seed=1)
    backward = getattr(native, f"{name}_backward")
    innermost = y.contiguous(memory_format=torch.channels_last)
    ours = backward(g, innermost, 1)
    assert ours.stride() == innermost.stride()
    torch.testing.assert_close(ours, backward(g, y, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dim", range(4))
def test_any_axis_of_pixels(name, dim):
    y = getattr(torch, name)(normal(3, 21, 9, 34), dim)
    g = normal(*y.shape, seed=1)
    backward = getattr(native, f"{name}_backward")
    torch.testing.assert_close(
        backward(g, y.contiguous(memory_format=torch.channels_last), dim), backward(g, y, dim), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [40, 100])
def test_what_a_vector_has_twice_is_summed_once(name, length):
    y = getattr(torch, name)(normal(50, length), 1)
    g = torch.zeros(50, length)
    g[:, length - 20] = float("inf")
    ours = getattr(native, f"{name}_backward")(g, y, 1)
    theirs = getattr(torch, f"_{name}_backward_data")(g, y, 1, torch.float32)
    torch.testing.assert_close(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dim", [0, 1])
def test_a_cotangent_may_have_any_strides(name, dtype, dim):
    x, function = normal(60, 100, dtype=dtype), getattr(F, name)
    for g in (
        torch.ones((), dtype=dtype).expand(60, 100),
        normal(100, 60, dtype=dtype).t(),
        normal(60, 200, dtype=dtype)[:, ::2],
    ):
        assert torch.equal(_gradient(function, x, dim, g), _gradient(function, x, dim, g.contiguous()))


@pytest.mark.parametrize("name", NAMES)
def test_scores_with_gaps_are_left_to_the_formula(monkeypatch, name):
    ran = counted(monkeypatch, native, f"{name}_backward")
    x, g = normal(2, 30, 40).transpose(0, 1)[:, :, 1:], normal(30, 2, 39, seed=1)
    result = getattr(F, name)(x.detach().requires_grad_(), 2)
    y = torch.empty(30, 2, 50)[:, :, :39].copy_(result.detach())
    assert getattr(native, f"{name}_backward")(g, y, 2) is None
    assert ran == [None]


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("shape", "dim"), [((30, 40), 1), ((60, 20), 1), ((40, 30), 0)])
def test_infinite_scores_have_no_slope_and_nan_stays(dtype, shape, dim):
    x, g = normal(*shape, dtype=dtype), normal(*shape, seed=1, dtype=dtype)
    x.movedim(dim, 1)[:, 3] = -torch.inf
    x.movedim(dim, 1)[7, 5] = torch.nan
    for name in NAMES:
        ours = _gradient(getattr(F, name), x, dim, g)
        exact = _gradient(getattr(torch, name), x.double(), dim, g)
        assert torch.equal(ours.isnan(), exact.isnan())
        assert ours.movedim(dim, 1)[7].isnan().all()
        near = 2e-2 if dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(ours.double(), exact, rtol=near, atol=near, equal_nan=True)

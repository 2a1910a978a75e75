"""Cross-entropy with probabilities, compiled, and its gradient equal those of double precision."""

import pytest
import torch

from manualnet import functional as F
from manualnet.native import probabilities as native

from .kit import DTYPES, compiled, counted, normal, threaded, using

pytestmark = compiled
# Shapes of scores: rows that are turned and rows that are not, blocks that are cut, planes.
SHAPES = {
    "few classes": (100, 10),
    "several blocks": (700, 10),
    "the most that are turned": (131, 32),
    "one more": (5, 33),
    "whole vectors": (7, 64),
    "cut vectors": (7, 100),
    "more than a block": (3, 513),
    "one long row": (1, 5001),
    "one example": (200,),
    "one class": (150, 1),
    "pictures": (2, 21, 9, 16),
    "wide pictures": (1, 3, 20, 40),
    "volumes": (2, 5, 3, 4, 5),
    "spread over threads": (4096, 10),
    "long rows over threads": (40, 500),
    "pictures over threads": (6, 21, 16, 17),
}
REDUCTIONS = ["mean", "sum", "none"]
SOME = [(100, 10), (7, 100), (2, 21, 9, 16)]


def _axis(shape):
    return min(1, len(shape) - 1)


def _target(shape, dtype=torch.float32):
    return torch.softmax(normal(*shape, seed=3), _axis(shape)).to(dtype)


def _both(function, x, target, **settings):
    x = x.detach().requires_grad_()
    y = function(x, target, **settings)
    g = normal(*y.shape, seed=5).to(y.dtype)
    return y.detach(), torch.autograd.grad(y, x, g)[0]


@pytest.fixture
def ran(monkeypatch):
    """What was compiled so far: values and gradients."""
    names = "cross_entropy", "cross_entropy_backward"
    return [counted(monkeypatch, native, name) for name in names]


def _check(ran, x, target, weight=None, **settings):
    y, grad = _both(F.cross_entropy, x, target, weight=weight, **settings)
    assert ran[0][-1] is not None
    assert ran[1][-1] is grad
    assert y.dtype == grad.dtype == x.dtype
    wide = None if weight is None else weight.double()
    exact, slope = _both(torch.nn.functional.cross_entropy, x.double(), target.double(), weight=wide, **settings)
    unit = torch.finfo(x.dtype).eps
    torch.testing.assert_close(y.double(), exact, rtol=unit if x.dtype == torch.bfloat16 else 2e-6, atol=1e-6)
    # Half precision is rounded once, after float32's own errors; its cotangent of one number was rounded before.
    assert ((grad.double() - slope).abs() <= unit * slope.abs() + 2e-6 * slope.abs().max()).all()
    return grad


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@threaded(SHAPES, [name for name in SHAPES if "threads" in name])
def test_shapes(ran, reduction, dtype, weighted, shape, threads):
    weight = normal(shape[_axis(shape)], seed=8, dtype=dtype).abs() if weighted else None
    with using(threads):
        _check(ran, 4 * normal(*shape, dtype=dtype), _target(shape, dtype), weight, reduction=reduction)


@pytest.mark.parametrize("smoothing", [0.2, 1.0])
@pytest.mark.parametrize("shape", SOME, ids=str)
def test_smoothing(ran, shape, smoothing):
    _check(ran, 4 * normal(*shape), _target(shape), label_smoothing=smoothing)
    _check(ran, 4 * normal(*shape), _target(shape), normal(shape[1], seed=8).abs(), label_smoothing=smoothing)


@pytest.mark.parametrize("shape", SOME, ids=str)
def test_targets_need_not_sum_to_one(ran, shape):
    _check(ran, 4 * normal(*shape), normal(*shape, seed=4).abs())


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (1, 0, 2, 3), (0, 2, 1, 3)], ids=str)
def test_layouts(ran, order):
    x = normal(2, 21, 9, 16).permute(order).contiguous().permute(tuple(torch.tensor(order).argsort()))
    for target in (_target(x.shape), torch.empty_like(x).copy_(_target(x.shape))):
        assert _check(ran, x, target, reduction="none").stride() == x.stride()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")], ids=str)
@pytest.mark.parametrize("certain", [False, True], ids=["soft", "certain"])
@pytest.mark.parametrize("place", [5, -1])
@pytest.mark.parametrize("shape", SOME, ids=str)
def test_special_scores(ran, shape, bad, certain, place):
    x, target = normal(*shape), _target(shape)
    if certain:
        target = (target == target.amax(1, keepdim=True)).float()
    x[:1, place] = bad
    ours, theirs = (_both(f, x, target, reduction="none") for f in (F.cross_entropy, torch.nn.functional.cross_entropy))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, equal_nan=True)
    assert ran[1][-1] is not None


@pytest.mark.parametrize("shape", SOME, ids=str)
def test_gradients_of_targets_and_weights_beside_it(ran, shape):
    leaves = [normal(*shape), _target(shape), normal(shape[1], seed=8).abs()]
    ours = [t.detach().requires_grad_() for t in leaves]
    theirs = [t.double().requires_grad_() for t in leaves]
    grads = torch.autograd.grad(F.cross_entropy(*ours, label_smoothing=0.1), ours)
    expected = torch.autograd.grad(torch.nn.functional.cross_entropy(*theirs, label_smoothing=0.1), theirs)
    assert grads[0] is ran[1][0]
    for mine, exact in zip(grads, expected, strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("given", [torch.float64, torch.bfloat16])
def test_other_types_go_another_way(ran, given):
    x, target, weight = normal(100, 10), _target((100, 10)), normal(10, seed=8).abs()
    y, _ = _both(F.cross_entropy, x, target.to(given))
    torch.testing.assert_close(y, _both(F.cross_entropy, x, target)[0], rtol=0.01, atol=0, check_dtype=False)
    _both(F.cross_entropy, x, target, weight=weight.to(given))
    assert ran[0][0] is None
    assert ran[0][2] is None


def test_of_few_pytorch_is_as_fast(ran):
    _both(F.cross_entropy, normal(4, 3), _target((4, 3)))
    assert ran == [[None], [None]]


def test_what_is_not_in_memory_as_it_is_read(ran):
    x, target = normal(100, 10), _target((100, 10))
    torch.testing.assert_close(F.cross_entropy(torch._neg_view(-x), target), F.cross_entropy(x, target))
    assert len(ran[0]) == 1

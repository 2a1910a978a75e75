"""Compiled rules on rows equal their formulas, in double precision."""

import pytest
import torch

from manualnet import functional as F
from manualnet.native import rows

from .kit import DTYPES, compiled, counted, normal

pytestmark = compiled
# Rows and columns: short rows, one long one, more than a block, a number that fills no vector, two threads.
SHAPES = [(100, 10), (7, 100), (1, 5001), (3, 513), (4096, 10), (64, 1024)]
each_dtype = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def _classes(n, c):
    return torch.randint(c, (n,), generator=torch.Generator().manual_seed(3))


def _results(function, *tensors, cotangent=None):
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    y = function(*tensors)
    g = torch.ones_like(y) if cotangent is None else cotangent.to(y.dtype)
    return y.detach(), *torch.autograd.grad(y, tensors, g)


def _assert_close(ours, exact, dtype, terms=1.0):
    """Half precision is rounded once, after float32's own errors on terms of about this size."""
    unit = torch.finfo(dtype).eps
    for a, e in zip(ours, exact, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(
            a.double(), e, rtol=unit * (0.51 if dtype == torch.bfloat16 else 8), atol=2**-20 * terms, equal_nan=True
        )


@REDUCTIONS
@each_dtype
@each_shape
def test_hinge_loss(monkeypatch, shape, dtype, reduction):
    ran = counted(monkeypatch, rows, "hinge"), counted(monkeypatch, rows, "hinge_backward")
    x, target = normal(*shape, dtype=dtype), _classes(*shape)
    # Cotangents with few digits, so that their product with a whole number is exact.
    g = normal(shape[0], seed=5).sign() * 0.5 if reduction == "none" else torch.tensor(3.0)

    def loss(v):
        return F.hinge_loss(v, target, 0.75, reduction)

    ours, exact = (_results(loss, v, cotangent=g) for v in (x, x.double()))
    assert [len(r) for r in ran] == [1, 1]
    _assert_close(ours, exact, dtype, terms=shape[1])


@each_dtype
def test_hinge_loss_at_its_kink_and_beyond_numbers(dtype):
    x = torch.zeros(40, 10, dtype=dtype)
    x[:, 1:4] = torch.tensor([-1.0, torch.inf, -torch.inf])
    x[30:, 5] = torch.nan
    x[20:25, 0] = torch.inf
    target = torch.zeros(40, dtype=torch.long)
    ours, exact = (_results(lambda v: F.hinge_loss(v, target, reduction="none"), v) for v in (x, x.double()))
    _assert_close(ours, exact, dtype)
    assert ours[1][0, 1] == 0


@REDUCTIONS
@each_dtype
@each_shape
def test_triplet_loss(monkeypatch, shape, dtype, reduction):
    ran = counted(monkeypatch, rows, "triplet"), counted(monkeypatch, rows, "triplet_backward")
    # The negatives lie where half of the brackets are positive, none of them nearly 0.
    a, p = (normal(*shape, seed=i) for i in range(2))
    n = a + (a - p) * torch.tensor([0.5, 2.0]).repeat(shape[0])[: shape[0], None]
    tensors = [t.to(dtype) for t in (a, p, n)]
    g = normal(shape[0], seed=5).to(dtype) if reduction == "none" else torch.tensor(0.5)

    def loss(*v):
        return F.triplet_loss(*v, 0.25, reduction)

    ours, exact = (_results(loss, *v, cotangent=g) for v in (tensors, [t.double() for t in tensors]))
    assert [len(r) for r in ran] == [1, 1]
    _assert_close(ours, exact, dtype, terms=shape[1])


def test_triplets_along_several_axes_have_a_cotangent_each():
    tensors, g = [normal(4, 5, 30, seed=seed) for seed in range(3)], normal(4, 5, seed=5)

    def loss(*v):
        return F.triplet_loss(*v, 0.25, "none")

    ours = _results(loss, *tensors, cotangent=g)
    in_rows = _results(loss, *(t.view(20, 30) for t in tensors), cotangent=g.view(20))
    for a, b in zip(ours, in_rows, strict=True):
        torch.testing.assert_close(a.view_as(b), b, rtol=0, atol=0)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_scores_and_targets_with_gaps(monkeypatch, reduction):
    ran = [counted(monkeypatch, rows, name) for name in ("hinge", "hinge_backward")]
    x, target = normal(60, 10), _classes(60, 10)
    expected = _results(lambda v: F.hinge_loss(v, target, reduction=reduction), x)
    for scores in (normal(60, 20)[:, 10:].copy_(x), x.t().contiguous().t(), normal(120, 10)[::2].copy_(x)):
        for y in (target, target.repeat_interleave(2)[::2]):
            ours = _results(lambda v, y=y: F.hinge_loss(v, y, reduction=reduction), scores)
            torch.testing.assert_close(ours, expected, rtol=0, atol=0)
    assert [len(runs) for runs in ran] == [7, 7]


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_triplets_with_gaps(monkeypatch, reduction):
    ran = [counted(monkeypatch, rows, name) for name in ("triplet", "triplet_backward")]

    def loss(*v):
        return F.triplet_loss(*v, 0.25, reduction)

    tensors = [normal(60, 10, seed=seed) for seed in range(3)]
    expected = _results(loss, *tensors)
    a, p, n = tensors
    laid = normal(60, 20)[:, 10:].copy_(a), p.t().contiguous().t(), normal(120, 10)[::2].copy_(n)
    torch.testing.assert_close(_results(loss, *laid), expected, rtol=0, atol=0)
    assert [len(runs) for runs in ran] == [2, 2]

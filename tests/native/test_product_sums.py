"""Compiled sums of products are those of double precision, whichever axes are kept."""

import pytest
import torch

from manualnet import functional as F
from manualnet.functional.arithmetic import _operands
from manualnet.native import product_sums as native

from .kit import DTYPES, LAYOUTS, compiled, counted, normal, threaded, using

pytestmark = compiled
# Shapes, and what is kept of them.
X = normal(3, 20, 9, 8)
SHAPES = {
    "rows": ((130, 40), (40,)),
    "columns": ((40, 130), (40, 1)),
    "channels": ((3, 20, 9, 8), (20, 1, 1)),
    "the first axis": ((8, 20, 30), (8, 1, 1)),
    "two neighbours": ((4, 6, 7, 30), (6, 7, 1)),
    "axes apart": ((20, 70, 40), (20, 1, 40)),
    "axes apart, rows handed on": ((3, 130, 40), (3, 1, 40)),
    "everything": ((70, 80), ()),
    "everything, with axes": ((70, 80), (1, 1)),
    "ones between": ((6, 1, 20, 40), (6, 1, 20, 1)),
    "nothing is summed": ((64, 65), (64, 65)),
    "a long piece": ((2, 3, 20000), (3, 1)),
    "short rows, taken together": ((96, 5), (5,)),
    "rows over threads": ((2000, 40), (40,)),
    "pieces over threads": ((5, 40_001), ()),
    "axes apart over threads": ((3, 700, 40), (3, 1, 40)),
}


@pytest.fixture(autouse=True)
def worth(monkeypatch):
    monkeypatch.setattr(native, "_WORTH", 0)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES, [name for name in SHAPES if "threads" in name])
def test_shapes(dtype, shape, threads):
    size, kept = shape
    x, y = (normal(*size, seed=seed, dtype=dtype) for seed in (1, 2))
    with using(threads):
        sums = native.product_sums(x, y, torch.Size(kept))
    assert sums.dtype == torch.float32
    assert sums.shape == kept
    exact, terms = ((a.double() * b.double()).sum_to_size(kept) for a, b in ((x, y), (x.abs(), y.abs())))
    assert ((sums - exact).abs() <= 2e-6 * terms).all()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES, [name for name in SHAPES if "threads" in name])
def test_sums_without_a_factor(dtype, shape, threads):
    size, kept = shape
    x = normal(*size, dtype=dtype)
    with using(threads):
        sums = native.product_sums(x, None, torch.Size(kept))
    assert (sums.dtype, sums.shape) == (torch.float32, kept)
    exact, terms = (a.double().sum_to_size(kept) for a in (x, x.abs()))
    assert ((sums - exact).abs() <= 2e-6 * terms).all()


@pytest.mark.parametrize("sides", [(30,), (20, 1), (1, 30), (1,)], ids=str)
def test_a_factor_may_spread(sides):
    x, y = normal(20, 30), normal(*sides, seed=2)
    for kept in ((30,), (20, 1)):
        torch.testing.assert_close(native.product_sums(x, y, torch.Size(kept)), (x * y).sum_to_size(kept))


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_a_factor_for_all_pictures(layout):
    """Its strides are those of the pictures."""
    x, y = LAYOUTS[layout](X), LAYOUTS[layout](normal(1, 20, 9, 8, seed=2))
    for kept in ((20, 1, 1), (1, 9, 8), (3, 20, 1, 1)):
        torch.testing.assert_close(native.product_sums(x, y, torch.Size(kept)), (x * y).sum_to_size(kept))


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
@pytest.mark.parametrize(
    "x",
    [normal(1).expand(3, 20, 9, 8), normal(3, 40, 9, 8)[:, ::2], normal(3, 20, 8, 9).mT, LAYOUTS["channels last"](X)],
    ids=["one number", "with gaps", "transposed", "channels last"],
)
def test_other_layouts_than_the_factors(layout, x):
    y = LAYOUTS[layout](normal(3, 20, 9, 8, seed=2))
    for kept in ((20, 1, 1), (1, 9, 8), (3, 20, 1, 1), (20, 9, 8), (1, 20, 9, 8)):
        torch.testing.assert_close(native.product_sums(x, y, torch.Size(kept)), (x * y).sum_to_size(kept))


def test_channels_innermost():
    x, y = (LAYOUTS["channels last"](normal(3, 20, 9, 8, seed=seed)) for seed in (1, 2))
    # With the third pixels lie between pictures and channels.
    for kept in ((20, 1, 1), (1, 9, 8), (3, 20, 1, 1), (20, 9, 8), (1, 20, 9, 8), (3, 20, 9, 8)):
        torch.testing.assert_close(native.product_sums(x, y, torch.Size(kept)), (x * y).sum_to_size(kept))


@pytest.mark.parametrize(
    ("x", "y", "kept"),
    [
        (normal(20, 3, 40, 2), normal(20, 3, 40, 2), (20, 1, 40, 1)),
        (normal(2, 20, 3, 40), normal(2, 20, 3, 40), (1, 20, 1, 40)),
        (normal(20, 30).t(), normal(20, 30).t(), (20,)),
        (normal(20, 30), normal(20, 30).double(), (30,)),
        (normal(20, 30).double(), normal(20, 30).double(), (30,)),
    ],
    ids=["four groups", "four groups, the first summed", "other layouts", "other types", "double"],
)
def test_others_go_another_way(x, y, kept):
    assert native.product_sums(x, y, torch.Size(kept)) is None


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_a_factor_that_broadcasts(monkeypatch, dtype):
    ran = counted(monkeypatch, _operands, "product_sums")
    x, factor, g = normal(30, 20, dtype=dtype), normal(20, seed=1, dtype=dtype), normal(30, 20, seed=2, dtype=dtype)
    factor.requires_grad_()
    (grad,) = torch.autograd.grad(F.mul(x, factor), factor, g)
    assert torch.equal(grad, ran[0].to(dtype))
    exact = (g.double() * x.double()).sum(0)
    assert ((grad.double() - exact).abs() <= torch.finfo(dtype).eps * exact.abs() + 1e-5).all()


def test_a_number_as_factor_is_none_of_its_business():
    x, y = normal(80, 64), normal(64, seed=1).requires_grad_()
    g = normal(80, 64, seed=2)
    (grad,) = torch.autograd.grad(F.add(x, y, alpha=2), y, g)
    torch.testing.assert_close(grad, 2 * g.sum(0))

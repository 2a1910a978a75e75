"""One matrix and a batch of others: which way is gone, and that all give the same."""

import importlib

import pytest
import torch

from manualnet import functional as F
from manualnet.functional import _multiply as multiply
from manualnet.functional.arithmetic import _products as products

file = importlib.import_module("manualnet.functional.arithmetic.matmul")

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# (m, k), then the batch's (…, k, n): few columns or many, sums that are worth a product each or not.
SHAPES = {
    "few columns": ((5, 6), (3, 6, 2)),
    "one column": ((5, 6), (3, 6, 1)),
    "many columns": ((5, 6), (3, 6, 40)),
    "a large matrix": ((90, 70), (3, 70, 16)),
    "two batch axes": ((5, 6), (2, 3, 6, 17)),
    "two batch axes, few columns": ((5, 6), (2, 3, 6, 4)),
    "no columns": ((5, 6), (3, 6, 0)),
    "nothing to sum": ((5, 0), (3, 0, 4)),
    "an empty batch": ((5, 6), (0, 6, 16)),
    "a vector": ((6,), (3, 6, 17)),
    "a vector, few columns": ((6,), (3, 6, 4)),
}


def _pair(shapes, dtype):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes]


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_value_and_gradients(shapes, dtype):
    x, y = _pair(shapes, dtype)
    z = F.matmul(x, y)
    g = torch.randn(z.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    ours = z, *torch.autograd.grad(z, (x, y), g)
    wide = [t.detach().double().requires_grad_() for t in (x, y)]
    exact = torch.matmul(*wide)
    theirs = exact, *torch.autograd.grad(exact, wide, g.double())
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == dtype
        # Each is rounded once: what is summed is not rounded before.
        torch.testing.assert_close(
            a.double(), b, rtol=torch.finfo(dtype).eps, atol=200 * torch.finfo(torch.float32).eps
        )
    assert z.is_contiguous()


@pytest.mark.parametrize(
    ("m", "k", "n", "dtype", "few"),
    [
        (900, 900, 15, torch.float32, True),
        (900, 900, 16, torch.float32, False),
        (2, 2, 15, torch.bfloat16, True),
        (80, 80, 16, torch.bfloat16, False),
        (80, 81, 16, torch.bfloat16, True),
        (80, 81, 16, torch.float16, True),
        (80, 81, 17, torch.bfloat16, False),
    ],
)
def test_which_columns_are_few(m, k, n, dtype, few):
    x, y = torch.empty(m, k, dtype=dtype), torch.empty(2, k, n, dtype=dtype)
    assert products.few_columns(x, y) == few
    assert not products.few_columns(x.to("meta"), y.to("meta")), "only on the CPU"


@pytest.mark.parametrize(
    ("columns", "dtype", "shapes", "copied"),
    [
        (4, torch.float32, [(12, 6), (6, 5)], False),
        (16, torch.float32, [(3, 5, 6), (3, 6, 16)], False),
        (16, torch.bfloat16, [(3, 5, 6), (3, 6, 16)], True),
    ],
)
def test_of_what_a_product_is_asked(monkeypatch, columns, dtype, shapes, copied):
    x, y = torch.ones(6, 5, dtype=dtype).t(), torch.ones(3, 6, columns, dtype=dtype)
    asked, matmul = [], torch.matmul
    monkeypatch.setattr(torch, "matmul", lambda *factors: asked.append(factors) or matmul(*factors))
    z = products.times_batch(x, y)
    assert torch.equal(z, torch.full((3, 5, columns), 6.0, dtype=dtype))
    ((a, b),) = asked
    assert [a.shape, b.shape] == shapes
    assert (x.data_ptr() not in (a.data_ptr(), b.data_ptr())) == copied


def test_columns_are_copied_before_the_rule():
    """So that they are saved as they are multiplied."""
    x, y = _pair(((5, 6), (3, 6, 2)), torch.float32)
    (rule,) = [f for f, _ in _nodes(F.matmul(x, y).grad_fn) if f.name() == "MatmulBackward"]
    assert [t.shape for t in rule.saved_tensors] == [(6, 6), (6, 5)]


def _nodes(node):
    found = [(node, 0)]
    for inner, _ in found:
        found += [(f, i) for f, i in inner.next_functions if f is not None]
    return found


@pytest.mark.parametrize(
    ("g", "y", "dtype", "apart"),
    [
        ((3, 4, 20), (3, 5, 20), torch.float32, True),
        ((3, 40, 20), (3, 40, 20), torch.float32, True),
        ((3, 41, 20), (3, 40, 20), torch.float32, False),
        ((3, 4, 3), (3, 90, 3), torch.float32, False),
        ((3, 90, 3), (3, 4, 3), torch.float32, False),
        ((3, 4, 20), (3, 5, 20), torch.bfloat16, False),
    ],
)
def test_which_sums_are_of_products_apart(monkeypatch, g, y, dtype, apart):
    asked = []
    monkeypatch.setattr(products, "_lines", lambda t: asked.append(t) or t.movedim(-2, 0).flatten(1))
    g, y = (t.detach() for t in _pair((g, y), dtype))
    total = products.sum_of_products(g, y)
    exact = torch.einsum("bmn,bkn->mk", g.double(), y.double())
    torch.testing.assert_close(total.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-5)
    assert (not asked) == apart


def test_a_matrix_of_products_that_fits_no_batch_is_refused_as_pytorch_refuses_it():
    x, y = torch.ones(2, 3), torch.ones(4, 2, 2)
    with pytest.raises(RuntimeError) as theirs:
        torch.matmul(x, y)
    with pytest.raises(RuntimeError) as ours:
        F.matmul(x, y)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    ("x", "y", "multiplied", "dots"),
    [
        ((7,), (7,), False, 1),
        ((1, 7), (7, 1), False, 1),
        ((1, 7), (7, 2), False, 0),
        ((2, 7), (7, 1), False, 0),
        ((1, 7), (3, 7, 17), True, 0),
        ((3, 1, 7), (7, 1), True, 0),
    ],
)
def test_vectors_are_no_matrices(monkeypatch, x, y, multiplied, dots):
    """A dot product is one, and so is a matrix by a vector; gradients are products of a vector and a number."""
    asked, summed = [], []
    for module, name in ((multiply, "_matmul"), (torch, "matmul"), (torch, "dot")):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, f=function, n=name: asked.append(n) or f(*args))
    whole = products.sum_of_products
    monkeypatch.setattr(file, "sum_of_products", lambda *args: summed.append(args) or whole(*args))
    x, y = _pair((x, y), torch.float32)
    z = F.matmul(x, y)
    grads = torch.autograd.grad(z.sum(), (x, y))
    monkeypatch.undo()
    theirs = torch.autograd.grad(torch.matmul(x, y).sum(), (x, y))
    torch.testing.assert_close(grads, theirs)
    assert asked.count("dot") == dots
    assert (asked.count("matmul") + asked.count("_matmul") > 0) == multiplied
    assert len(summed) == (x.dim() == 2 and y.dim() == 3)

"""Products of half precision run in float32 where the processor does not multiply such numbers."""

import pytest
import torch

from manualnet import functional as F
from manualnet.functional import _multiply as multiply

HALVES = [torch.bfloat16, torch.float16]
# A function, the shapes of its factors and the rest of its arguments.
CALLS = {
    "matmul": (F.matmul, [(64, 33), (33, 64)], {}),
    "matmul of a batch": (F.matmul, [(5, 31, 33), (5, 33, 40)], {}),
    "a matrix, a batch": (F.matmul, [(40, 33), (5, 33, 40)], {}),
    "a matrix, a batch of few columns": (F.matmul, [(80, 80), (6, 80, 4)], {}),
    "linear": (F.linear, [(64, 33), (64, 33), (64,)], {}),
    "maxout": (F.maxout, [(64, 33), (2, 40, 33), (2, 40)], {}),
    "conv2d": (F.conv2d, [(4, 8, 9, 8), (8, 8, 3, 3), (8,)], {"padding": 1}),
    "conv2d, stride": (F.conv2d, [(8, 8, 9, 8), (8, 8, 3, 3), (8,)], {"padding": 1, "stride": 2}),
    "conv2d, groups": (F.conv2d, [(16, 8, 9, 8), (8, 4, 3, 3), (8,)], {"padding": 1, "groups": 2}),
    "conv2d, one pixel": (F.conv2d, [(16, 16, 9, 8), (8, 16, 1, 1), (8,)], {}),
}


@pytest.fixture(params=[False, True], ids=["not multiplied", "multiplied"])
def multiplied(request, monkeypatch):
    """Whatever this processor does."""
    monkeypatch.setattr(multiply, "multiplies", lambda dtype: request.param)
    return request.param


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(multiply, "multiplies", lambda dtype: False)


def _inputs(shapes, dtype):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=generator).to(dtype).requires_grad_() for s in shapes]


def _rounded_once(result, exact, sizes):
    """``sizes``: the sums of what the terms measure."""
    bound = torch.finfo(result.dtype).eps * exact.abs() + 2e-6 * sizes
    assert ((result.double() - exact).abs() <= bound).all()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("slow")
def test_values_and_gradients_are_rounded_once(name, dtype):
    function, shapes, settings = CALLS[name]
    inputs = _inputs(shapes, dtype)
    y = function(*inputs, **settings)
    assert y.dtype is dtype
    wide = [t.detach().double().requires_grad_() for t in inputs]
    exact = function(*wide, **settings)
    _rounded_once(y, exact, 100)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    grads, expected = torch.autograd.grad(y, inputs, g), torch.autograd.grad(exact, wide, g.double())
    for grad, e in zip(grads, expected, strict=True):
        assert grad.dtype is dtype
        if name != "maxout" or dtype is torch.float16:  # in bfloat16 two pieces may be equal
            _rounded_once(grad, e, 500)


def test_only_what_the_processor_does_not_multiply(multiplied):
    seen = []
    product = multiply.in_float32(axis=-1)(lambda x, y: seen.append(x.dtype) or torch.matmul(x, y))
    for dtype in (*HALVES, torch.float32, torch.float64):
        x = torch.randn(64, 64, dtype=torch.float64).to(dtype)
        assert product(x, x).dtype is dtype
    half = HALVES if multiplied else [torch.float32] * 2
    assert seen == [*half, torch.float32, torch.float64]


@pytest.mark.parametrize(
    ("shapes", "wide"),
    [
        ([(64, 16), (16, 64)], True),
        ([(64, 15), (15, 64)], False),  # few products
        ([(1, 512), (512, 512)], False),  # a row
        ([(512, 512), (512, 1)], False),  # a column
        ([(512,), (512, 512)], False),
        ([(300, 1), (1, 300)], True),
        ([(64, 0), (0, 64)], False),
    ],
    ids=str,
)
@pytest.mark.usefixtures("slow")
def test_of_which_sizes(shapes, wide):
    seen = []
    product = multiply.in_float32(axis=-1)(lambda x, y: seen.append(x.dtype) or torch.matmul(x, y))
    x, y = (torch.ones(s, dtype=torch.bfloat16) for s in shapes)
    assert torch.equal(product(x, y), torch.matmul(x, y))
    assert (seen == [torch.float32]) == wide


@pytest.mark.usefixtures("slow")
def test_other_types_are_refused():
    x, weight = torch.randn(64, 64).bfloat16(), torch.randn(64, 64)
    for product in (multiply.matmul, multiply.linear):
        with pytest.raises(RuntimeError, match="dtype"):
            product(x, weight)


@pytest.mark.usefixtures("slow")
def test_autocast_rounds_factors_first():
    x, weight = torch.randn(64, 64).bfloat16(), torch.randn(64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        y = multiply.linear(x, weight, None)
    assert y.dtype is torch.bfloat16
    assert torch.equal(y, (x.float() @ weight.bfloat16().float().t()).bfloat16())


@pytest.mark.usefixtures("slow")
def test_transforms_and_second_derivatives_pass_through():
    x, weight = (torch.randn(64, 64).bfloat16().requires_grad_() for _ in range(2))
    first = torch.autograd.grad(F.linear(x, weight).square().sum(), x, create_graph=True)
    assert torch.autograd.grad(first[0].sum(), weight)[0].dtype is torch.bfloat16
    batch = torch.randn(3, 64, 64).bfloat16()
    each = torch.vmap(lambda b: F.linear(b, weight.detach()))(batch)
    torch.testing.assert_close(each, F.linear(batch, weight.detach()), rtol=2**-7, atol=2**-6)


def test_float32_is_asked_for_nothing(monkeypatch):
    monkeypatch.setattr(multiply, "multiplies", None)
    x = torch.randn(64, 64)
    assert torch.equal(multiply.matmul(x, x), x @ x)


def test_what_pytorch_says_of_this_machine(monkeypatch):
    ops = torch.ops.mkldnn
    if torch.backends.mkldnn.is_available():
        assert multiply.multiplies(torch.bfloat16) == ops._is_mkldnn_bf16_supported()
        assert multiply.multiplies(torch.float16) == ops._is_mkldnn_fp16_supported()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    for dtype in HALVES:
        assert multiply.multiplies.__wrapped__(dtype)


@pytest.mark.parametrize(
    ("x", "y", "way"),
    [
        ((1, 7), (7, 1), "dot"),
        ((1, 7), (7, 2), "mv"),
        ((2, 7), (7, 1), "mv"),
        ((2, 1), (1, 3), None),
        ((1, 1), (1, 1), None),
        ((2, 3), (3, 4), "_matmul"),
        ((3, 2, 1), (1, 4), "_matmul"),
        ((1, 7), (3, 7, 1), "_matmul"),
        ((7,), (7, 1), "_matmul"),
    ],
    ids=str,
)
def test_rows_and_columns_have_their_own_kernels(monkeypatch, x, y, way):
    x, y = torch.randn(x), torch.randn(y)
    expected, asked = torch.matmul(x, y), []
    for module, name in ((multiply, "_matmul"), (torch, "dot"), (torch, "mv")):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, f=function, n=name: asked.append(n) or f(*args))
    torch.testing.assert_close(multiply.matmul(x, y), expected)
    assert asked == ([] if way is None else [way])


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.ones(2, 3), torch.ones(4, 1)),
        (torch.ones(1, 3), torch.ones(4, 2)),
        (torch.ones(2, 1), torch.ones(2, 3)),
        (torch.ones(1, 3), torch.ones(1, 3)),
        (torch.ones(2, 1), torch.ones(1, 3).double()),
        (torch.ones(2, 1).bool(), torch.ones(1, 3).bool()),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_as_pytorch_refuses_it(x, y):
    with pytest.raises(RuntimeError) as theirs:
        torch.matmul(x, y)
    with pytest.raises(RuntimeError) as ours:
        multiply.matmul(x, y)
    assert str(ours.value) == str(theirs.value)

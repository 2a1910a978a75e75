"""Compiled sums equal their formulas, and lose no digits to the number of elements."""

import inspect
import math

import pytest
import torch

from manualnet import functional as F
from manualnet.functional._fused import SUMMED
from manualnet.native import elementwise, sums

from .kit import DTYPES, LAYOUTS, compiled, counted, normal, using

pytestmark = compiled
SIZES = [(elementwise.TWO, 1), (20_001, 1), (32_768, 2), (100_003, 1), (100_003, 2)]
RULES = {f"{rule.__module__.rpartition('.')[2]} {rule.__name__.strip('_')}": rule for rule in SUMMED}


def _arguments(rule, n, dtype):
    """A tensor for each parameter that is one; other parameters are numbers."""
    kinds = [p.annotation is torch.Tensor for p in inspect.signature(rule).parameters.values()]
    return [normal(n, seed=i, dtype=dtype) if tensor else 0.3 for i, tensor in enumerate(kinds)]


def _exact(rule, arguments):
    return rule.__wrapped__(*(a.double() if isinstance(a, torch.Tensor) else a for a in arguments))


def _moved_by(rule, arguments):
    """How far errors of 1 in proportion to every argument's elements, of either sign, move the sum; at least by 1 for
    a term."""
    wide = [a.double().requires_grad_() if isinstance(a, torch.Tensor) else a for a in arguments]
    leaves = [a for a in wide if isinstance(a, torch.Tensor)]
    grads = torch.autograd.grad(rule.__wrapped__(*wide), leaves)
    moved = sum((a.detach() * g).square().sum().item() for a, g in zip(leaves, grads, strict=True))
    return math.sqrt(max(moved, len(leaves[0])))


def test_there_is_a_sum_for_each_of_these():
    names = {name.split()[0] for name in RULES}
    assert names >= {"mse_loss", "l1_loss", "squared_error", "l1", "l2", "elastic_net"}


@pytest.mark.parametrize(("n", "threads"), SIZES)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_it_is_the_formulas_sum(monkeypatch, rule, dtype, n, threads):
    ran = counted(monkeypatch, sums, "run")
    arguments = _arguments(rule, n, dtype)
    with torch.no_grad(), using(threads):
        total = rule(*arguments)
        again = rule(*arguments)
    assert ran[0] is total
    assert torch.equal(total, again)
    assert (total.dtype, total.shape) == (torch.float32, ())
    exact = _exact(rule, arguments)
    # What errs is each term, as if its arguments were off by a unit or two, and those errors cancel.
    assert abs(total.double() - exact) <= 2**-23 * (abs(exact) + 4 * _moved_by(rule, arguments))


def test_a_long_sum_keeps_its_digits():
    """Sixteen million equal terms: in float alone, one after the other, the sum stands still where 1 is half a unit."""
    x = torch.full(((1 << 24) + 3,), 1.5)
    assert F.l2_penalty(x).item() == pytest.approx(x.numel() * 1.5**2, rel=2**-24)


def test_what_overflows_in_the_middle_only_in_float_does_not():
    x = torch.full((1 << 13,), 1.5e38)
    product = elementwise.Expression("t * x", (), ("x", "t"))
    assert sums.run(product, (x[:2048], 1e-3)).item() == pytest.approx(2048 * 1.5e35, rel=1e-6)
    with torch.no_grad():
        assert RULES["l1 distances"](x).isinf()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_special_numbers(rule, dtype, value):
    for place in (0, 9000, 20_000):
        arguments = _arguments(rule, 20_001, dtype)
        arguments[0][place] = value
        with torch.no_grad():
            torch.testing.assert_close(
                rule(*arguments).double(), _exact(rule, arguments), rtol=1e-5, atol=1e-2, equal_nan=True
            )


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_layout_without_gaps(monkeypatch, layout):
    ran = counted(monkeypatch, sums, "run")
    x, t = (layout(normal(5, 3, 7, 41, seed=i)) for i in range(2))
    assert F.mse_loss(x, t).item() == pytest.approx((x - t).double().square().mean().item(), rel=1e-6)
    assert len(ran) == 1


@pytest.mark.parametrize("n", [0, 1, elementwise.MANY - 1])
def test_few_are_left_to_the_formula(monkeypatch, n):
    ran = counted(monkeypatch, sums, "run")
    x, t = normal(n), normal(n, seed=1)
    torch.testing.assert_close(F.mse_loss(x, t), torch.nn.functional.mse_loss(x, t), equal_nan=True)
    assert ran == []


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_losses_are_as_exact_as_pytorchs(name, reduction, dtype):
    x, t = 3 * normal(9001, seed=1), normal(9001, seed=2).sigmoid()
    x, t = x.to(dtype), t.to(dtype)

    def results(function, *tensors):
        tensors = [v.clone().requires_grad_() for v in tensors]
        y = function(*tensors, reduction=reduction)
        return y.detach().double(), *(v.double() for v in torch.autograd.grad(y.sum(), tensors))

    theirs = getattr(torch.nn.functional, name)
    exact = results(theirs, x.double(), t.double())
    for ours, twin, e in zip(results(getattr(F, name), x, t), results(theirs, x, t), exact, strict=True):
        assert (ours - e).abs().max() <= 2 * (twin - e).abs().max() + torch.finfo(dtype).eps * e.abs().max()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "x",
    [normal(50, 3000)[:, 5:], normal(5, 70, 1100)[:, 2:60], normal(90, 100)[::3]],
    ids=["columns", "channels", "rows"],
)
def test_the_sum_of_evenly_apart_runs(threads, x):
    product = elementwise.Expression("a * x", (), ("x", "a"))
    with using(threads):
        total, again = (sums.run(product, (x, x)) for _ in range(2))
    assert torch.equal(total, again)
    torch.testing.assert_close(total.double(), x.double().square().sum(), rtol=2e-7, atol=0)

"""Compiled rules on every element equal their formulas."""

import inspect
import itertools
import math

import pytest
import torch

from manualnet import functional as F
from manualnet.functional._fused import FUSED
from manualnet.native import elementwise

from .kit import DTYPES, LAYOUTS, compiled, counted, normal, using

pytestmark = compiled
# Around the sizes from which on compiled code and a second thread run, and odd ones.
SIZES = [(4096, 1), (4097, 2), (32_767, 2), (100_003, 1), (100_003, 2)]
TINY = torch.finfo(torch.float32).tiny
NUMBERS = {"elu": [(1.0,), (-1.5,), (0.0,)], "leaky_relu": [(0.01,), (-1.5,), (0.0,)]}
RULES = {
    f"{rule.__module__.rpartition('.')[2]} {rule.__name__.strip('_')} {' '.join(map(str, numbers))}".strip(): (
        rule,
        numbers,
    )
    for rule in FUSED
    if ".activations." in rule.__module__
    for numbers in NUMBERS.get(rule.__module__.rpartition(".")[2], [()])
}


def test_where_nothing_can_be_compiled_the_formula_answers(monkeypatch):
    rule = next(rule for rule in FUSED if rule.__module__.endswith(".relu"))
    g = y = torch.ones(1 << 16)
    monkeypatch.setattr(elementwise, "run", lambda *_: None)
    with torch.no_grad():
        assert torch.equal(rule(g, y), g)


@pytest.fixture(params=RULES.values(), ids=RULES)
def both(request):
    """A rule that must run compiled, and its formula; of the cotangent and what was saved."""
    rule, numbers = request.param

    def run(*tensors):
        with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
            ran = counted(patch, elementwise, "run")
            result = rule(*_of(rule, tensors), *numbers)
        assert len(ran) == 1
        assert ran[0] is result
        return result

    def formula(*tensors):
        return rule.__wrapped__(*_of(rule, tensors), *numbers)

    return run, formula


def _of(rule, tensors):
    """Those that the rule takes: of a point and its cotangent, the point if it is one."""
    taken = [p.annotation is torch.Tensor for p in inspect.signature(rule).parameters.values()]
    return tensors[len(tensors) - sum(taken) :]


def _tensors(dtype, n, spread=4.0):
    """Cotangents of about 1, and points that lie densest where slopes bend, some of them far out."""
    g, x = normal(n, seed=1), spread * normal(n, seed=2)
    x[::50] *= 30
    return g.to(dtype), x.to(dtype)


def test_there_is_a_rule_for_each_of_these():
    assert {name.split()[0] for name in RULES} >= {"elu", "gelu", "leaky_relu", "relu", "sigmoid", "tanh"}


@pytest.mark.parametrize(("n", "threads"), SIZES)
def test_float32_errs_no_more_than_the_formula(both, threads, n):
    """In every stretch of 64 neighbouring points, at most twice the formula's error and one unit in the last place.

    The unit is that of the result, or of the cotangent: where a slope crosses 0 its terms are about that large.
    """
    run, formula = both
    g, x = _tensors(torch.float32, n)
    order = x.argsort()[: n // 64 * 64]
    exact = formula(g.double(), x.double())[order].view(-1, 64)
    with using(threads):
        results = run(g, x), formula(g, x)
    ours, theirs = ((result[order].double().view(-1, 64) - exact).abs().amax(1) for result in results)
    terms = g[order].view(-1, 64).abs().amax(1)
    unit = torch.finfo(torch.float32).eps * torch.maximum(exact.abs().amax(1), terms)
    assert (ours <= 2 * theirs + unit).all()


@pytest.mark.parametrize(
    "rule", [name for name in RULES if name.split()[0] in ("relu", "leaky_relu", "sigmoid", "tanh")]
)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_products_are_the_formulas_to_the_last_bit(rule, dtype):
    (rule, numbers), tensors = RULES[rule], _tensors(dtype, 9001)
    with torch.no_grad():
        assert torch.equal(rule(*tensors, *numbers), rule.__wrapped__(*tensors, *numbers))


def test_gelus_slope_keeps_its_digits_where_it_is_small():
    """Against Φ from the complementary error function: 1 + erf has none left at -6."""
    x = torch.linspace(-13, -1, 100_000)
    with torch.no_grad():
        ours = RULES["gelu times_slope"][0](torch.ones_like(x), x).double()
    x = x.double()
    exact = 0.5 * torch.erfc(-x / math.sqrt(2)) + x * torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    assert ((ours / exact - 1).abs() <= 2e-7 * (4 + x * x / 2)).all()


def test_elus_slope_ends_where_normal_numbers_end():
    x = torch.linspace(-110, -80, 100_000)
    with torch.no_grad():
        ours = RULES["elu times_slope 1.0"][0](torch.ones_like(x), x, 1.0).double()
    exact = x.double().exp()
    assert ((ours - exact).abs() <= 1e-6 * exact + math.exp(-87.3)).all()
    assert (ours[x < -88] == 0).all()


@pytest.mark.parametrize(("n", "threads"), SIZES)
def test_bfloat16_is_rounded_once(both, threads, n):
    """Between the two numbers that float32's last bits may round to."""
    run, formula = both
    g, x = _tensors(torch.bfloat16, n)
    exact = formula(g.double(), x.double())
    with using(threads):
        ours = run(g, x)
    doubt = 2**-21 * exact.abs() + 2**-22 * g.double().abs() + TINY
    low, high = ((exact + way * doubt).to(torch.bfloat16) for way in (-1, 1))
    assert ours.dtype == torch.bfloat16
    assert ((low <= ours) & (ours <= high)).all()
    counted = exact.abs() > 1e-9
    assert (ours == exact.to(torch.bfloat16))[counted].float().mean() > 0.995


SPECIAL = "nan inf -inf 0 -0 1e-45 -1e-45 1e-40 -1e-38 .5 1 -1 9 -13 -87 88.8 -105 1e4 -1e4 1e19 -1e20 3e38 -3e38"


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_special_numbers(both, dtype):
    """Every pair of them: NaN and infinities in the same places, all others alike."""
    run, formula = both
    numbers = [float(n) for n in SPECIAL.split()]
    g, x = torch.tensor(list(itertools.product(numbers, numbers))).repeat(8, 1).to(dtype).t().contiguous()
    ours, expected = run(g, x), formula(g, x)
    # Below the least normal number e^x is 0, which a large cotangent makes visible.
    near = 16 * torch.finfo(dtype).eps * expected.float().abs() + TINY * (1 + g.float().abs())
    same = (ours == expected) | (ours.isnan() & expected.isnan())
    assert (same | ((ours.float() - expected.float()).abs() <= near)).all()
    assert torch.equal(ours.isnan(), expected.isnan())


OTHERS = {f"{r.__module__.rpartition('.')[2]} {r.__name__}": r for r in FUSED if ".activations." not in r.__module__}


def _log_sigmoid(x):
    return torch.nn.functional.logsigmoid(x)


# What the terms measure of a rule whose terms may cancel: each has errors of its own.
CANCELLING = {
    "_terms": lambda x, t, w: ((1 - t) * x * w).abs() + (_log_sigmoid(x) * w).abs(),
    "_terms_by_class": lambda x, t, w, v: ((1 - t) * x * w).abs() + ((1 + (v - 1) * t) * _log_sigmoid(x) * w).abs(),
}


@pytest.mark.parametrize("rule", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("last", ["like the others", "one number"])
def test_rules_of_losses_and_penalties(monkeypatch, rule, dtype, last):
    """As exact as if every argument were off by some units; in the last tensor's place may be one number for all."""
    ran = counted(monkeypatch, elementwise, "run")
    kinds = [p.annotation is torch.Tensor for p in inspect.signature(rule).parameters.values()]
    arguments = [normal(20_001, seed=i, dtype=dtype) if tensor else 0.3 for i, tensor in enumerate(kinds)]
    if last == "one number" and sum(kinds) > 1:
        place = max(i for i, tensor in enumerate(kinds) if tensor)
        arguments[place] = arguments[place][0]
    with torch.no_grad():
        ours = rule(*arguments)
    wide = [a.double() if isinstance(a, torch.Tensor) else a for a in arguments]
    exact = rule.__wrapped__(*wide)
    assert ran[0] is ours
    assert ours.dtype == dtype
    # Half precision is rounded once, after float32's own errors.
    units = 0.51 * torch.finfo(dtype).eps if dtype == torch.bfloat16 else 0
    moved = _moved_by(rule.__wrapped__, wide)
    if rule.__name__ in CANCELLING:
        moved = moved + CANCELLING[rule.__name__](*wide)
    doubt = 4 * torch.finfo(torch.float32).eps * (exact.abs() + moved)
    assert ((ours.double() - exact).abs() <= units * exact.abs() + doubt).all()


def _moved_by(formula, arguments):
    """How far an error of 1 in proportion to it in every argument moves each result."""
    moved = torch.zeros_like(arguments[0])
    for i, a in enumerate(arguments):
        if isinstance(a, torch.Tensor):
            along = [torch.zeros_like(b) if isinstance(b, torch.Tensor) else 0.0 for b in arguments]
            along[i] = a
            _, change = torch.func.jvp(
                lambda *tensors: formula(*_with(arguments, tensors)),
                tuple(b for b in arguments if isinstance(b, torch.Tensor)),
                tuple(d for d in along if isinstance(d, torch.Tensor)),
            )
            moved = moved + change.abs()
    return moved


def _with(arguments, tensors):
    """The arguments with these in the place of their tensors."""
    following = iter(tensors)
    return [next(following) if isinstance(a, torch.Tensor) else a for a in arguments]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_layouts_are_kept(both, dtype, layout):
    run, formula = both
    g, x = (layout(t.view(5, 3, 7, 41)) for t in _tensors(dtype, 5 * 3 * 7 * 41))
    ours = run(g, x)
    assert ours.stride() == g.stride()
    torch.testing.assert_close(ours, formula(g, x))


def test_nothing_else_is_written_to(both):
    run, _ = both
    g, x = _tensors(torch.float32, 5000)
    before = g.clone(), x.clone()
    run(g[3:4500], x[3:4500])
    assert torch.equal(g, before[0])
    assert torch.equal(x, before[1])


G, X = _tensors(torch.float32, 1 << 13)
LAID_ANEW = {
    "another layout": (G.view(64, 128).t(), X.view(128, 64)),
    "gaps": (G.view(-1, 2)[:, 0], X[: 1 << 12]),
    "gaps in both": (G.view(64, 128)[:, :65], X.view(64, 128)[:, 3:68]),
    "expanded": (G[:1].expand(1 << 13), X),
    "expanded over a transposed one": (G[:1].expand(64, 128), X.view(128, 64).t()),
    "the second expanded": (G, X[:1].expand(1 << 13)),
}


@pytest.mark.parametrize("tensors", LAID_ANEW.values(), ids=LAID_ANEW)
def test_what_lies_otherwise_is_laid_anew(both, tensors):
    run, formula = both
    before = [t.clone() for t in tensors]
    result = run(*tensors)
    torch.testing.assert_close(result, formula(*tensors))
    dense = [t.stride() for t in tensors if torch.ops.aten.is_non_overlapping_and_dense(t)]
    assert result.stride() in (dense or [result.contiguous().stride()])
    assert all(map(torch.equal, tensors, before))


REFUSED = {
    "few": (G[: elementwise.MANY - 1], X[: elementwise.MANY - 1]),
    "other types": (G, X.bfloat16()),
    "double": (G.double(), X.double()),
    "float16": (G.half(), X.half()),
}


@pytest.mark.parametrize("rule", [name for name, (rule, _) in RULES.items() if len(_of(rule, (G, X))) == 2])
@pytest.mark.parametrize("tensors", REFUSED.values(), ids=REFUSED)
def test_others_are_left_to_the_formula(monkeypatch, rule, tensors):
    rule, numbers = RULES[rule]
    ran = counted(monkeypatch, elementwise, "run")
    with torch.no_grad():
        result = rule(*tensors, *numbers)
    assert set(ran) <= {None}
    assert torch.equal(result, rule.__wrapped__(*tensors, *numbers))


@pytest.mark.parametrize("make", [torch._neg_view, lambda g: torch._efficientzerotensor(g.shape)])
def test_what_is_not_in_memory_as_it_stands_is_left_to_the_formula(make):
    x = X.clone().requires_grad_()
    y = F.relu(x)
    g = make(G)
    assert torch.equal(torch.autograd.grad(y, x, g)[0], torch.where(X > 0, g.clone(), 0))


def test_many_shapes_compile_once(anew):
    for shape in ((1 << 12,), (64, 65), (3, 5, 7, 100)):
        x = normal(*shape).requires_grad_()
        F.relu(x).backward(x.detach())
    assert len(list(anew.rglob("*.so"))) == 1


def test_a_missing_argument_is_an_error_and_not_read_from_memory():
    product = elementwise.Expression("x * a", (), ("x", "a"))
    with pytest.raises(ValueError, match="shorter"):
        elementwise.run(product, (X,))


PRODUCT = elementwise.Expression("x * a", (), ("x", "a"))


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=str)
@pytest.mark.parametrize("sides", [(7, 64, 1), (7, 1, 100), (64, 100), (100,), (1,), (1, 1, 1)], ids=str)
def test_what_spreads_over_the_first_is_laid_out(dtype, order, sides):
    whole, other = normal(7, 64, 100, dtype=dtype), normal(*sides, seed=1, dtype=dtype)
    x, a = whole.permute(order), other.view(*[1] * (3 - len(sides)), *sides).permute(order)
    result = elementwise.run(PRODUCT, (x, a))
    assert torch.equal(result, x * a)
    assert result.stride() == x.stride()


def test_dimensions_in_front_are_spread_over():
    x, a = normal(7, 64, 100), normal(100, seed=1)
    assert torch.equal(elementwise.run(PRODUCT, (x, a)), x * a)


@pytest.mark.parametrize("sides", [(2, 7, 64, 100), (1, 7, 64, 100), (3,), (64, 1, 100)], ids=str)
def test_what_does_not_spread_to_the_first_is_left_to_the_formula(sides):
    assert elementwise.run(PRODUCT, (normal(7, 64, 100), normal(*sides))) is None
    assert elementwise.run(PRODUCT, (normal(7, 64, 100), normal(100).double())) is None


W = normal(6, 7, 40, 200, seed=7)
RUNS = {
    "columns": (normal(50, 300)[:, 100:170], normal(50, 90, seed=1)[:, 3:73]),
    "rows": (normal(50, 300)[::2], normal(50, 300, seed=1)[1::2]),
    "channels": (W[:, 2:5], W[:, 4:]),
    "one of them without gaps": (W[:, 2:5], normal(6, 3, 40, 200)),
    "one of them transposed": (W[:, 2:5], normal(6, 3, 200, 40).mT),
    "expanded": (W[:1, 2:5].expand(6, 3, 40, 200), W[:, 1:4]),
    "other runs": (W[:, 2:5], normal(6, 3, 40, 300)[..., 100:]),
    "spread": (W[:, 2:5], normal(3, 40, 1)),
    "backwards": (W[:, 2:5], W.flip(0)[:, 1:4]),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("tensors", RUNS.values(), ids=RUNS)
def test_evenly_apart_runs_are_read_where_they_lie(monkeypatch, tensors, dtype, threads):
    x, a = (_as_it_lies(t, dtype) for t in tensors)
    modelled = counted(monkeypatch, elementwise, "_modelled")
    with using(threads):
        result = elementwise.run(PRODUCT, (x, a))
    assert torch.equal(result, x * a)
    assert result.is_contiguous()
    ((model, *_),) = modelled
    assert model is x, "it is not copied"


def _as_it_lies(tensor, dtype):
    """Another type, with the same strides."""
    whole = tensor.new_zeros(tensor.untyped_storage().size() // 4, dtype=dtype)
    whole.copy_(tensor.as_strided((len(whole),), (1,), 0))
    return whole.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


UNEVEN = {
    "short runs": normal(200, 70)[:, :63],
    "every other": normal(50, 300)[:, ::2],
    "two gaps": normal(7, 9, 200)[:5, :8, :100],
    "channels innermost": W.contiguous(memory_format=torch.channels_last)[:, 2:5],
}


@pytest.mark.parametrize("x", UNEVEN.values(), ids=UNEVEN)
def test_others_are_copied_first(monkeypatch, x):
    modelled = counted(monkeypatch, elementwise, "_modelled")
    assert torch.equal(elementwise.run(PRODUCT, (x, x)), x * x)
    ((model, *_),) = modelled
    assert model.is_contiguous()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("lay", [*LAYOUTS.values(), torch.flatten], ids=[*LAYOUTS, "flat"])
def test_one_number_for_all_is_handed_over_as_a_number(monkeypatch, dtype, lay):
    kernel, handed = elementwise._kernel, []
    monkeypatch.setattr(elementwise, "_kernel", lambda *args: handed.append(args[2]) or kernel(*args))
    a = lay(normal(7, 64, 10, 10, dtype=dtype))
    x = normal(3, seed=1, dtype=dtype)[1].expand(a.shape)
    result = elementwise.run(PRODUCT, (x, a))
    assert torch.equal(result, x * a)
    assert result.stride() == a.stride()
    assert handed == [(False, True)], "the second alone is an array"


@pytest.mark.parametrize(
    "a",
    [W[:1, :1, :1, :1].expand(W.shape), W[:, :1].expand(W.shape), W[..., 1:], W[:, ::2], W.double(), 3.0],
    ids=["another", "planes", "with gaps", "in runs", "another type", "a number"],
)
def test_one_number_for_all_beside_others(a):
    x = W[0, 0, 0, 0].expand(a.shape if isinstance(a, torch.Tensor) else W.shape)
    for pair in ((x, a), (a, x)) if isinstance(a, torch.Tensor) else ((x, a),):
        result = elementwise.run(PRODUCT, pair)
        assert (result is None) == (isinstance(a, torch.Tensor) and a.dtype != x.dtype)
        assert result is None or torch.equal(result, x * a)

"""Compiled batch normalisation, alone and with an activation after it, errs no more than the formula."""

import pytest
import torch

from manualnet import functional as F
from manualnet.functional.blocks.batch_norm_gelu import BatchNormGELU
from manualnet.functional.blocks.batch_norm_relu import BatchNormReLU
from manualnet.functional.layers import _batch_norm_fast
from manualnet.functional.layers.batch_norm import BatchNormTraining
from manualnet.native import batch_norm as native
from manualnet.specs import SPECS

from .kit import DTYPES, compiled, counted, normal, threaded, using

pytestmark = compiled
FUNCTIONS = {"alone": BatchNormTraining, "with gelu": BatchNormGELU, "with relu": BatchNormReLU}
# Where the mean is large, rounding may take a number across ReLU's kink.
SMOOTH = {name: function for name, function in FUNCTIONS.items() if function is not BatchNormReLU}
# Several pixels make one row where channels do not fill whole vectors of 16.
SHAPES = {
    "matrix": (512, 8),
    "odd matrix": (137, 33),
    "one column": (4099, 1),
    "wide matrix": (50, 100),
    "few rows": (2, 4096),
    "many channels": (3, 9001),
    "whole vectors": (9, 16, 8, 8),
    "two pixels a row": (16, 24, 8, 8),
    "an odd number of pixels": (5, 24, 7, 9),
    "16 pixels a row": (2, 3, 40, 40),
    "one channel": (1, 1, 64, 80),
    "100 channels": (3, 100, 9, 5),
    "one picture": (1, 65, 16, 16),
    "spread over threads": (40, 24, 9, 8),
}
# Each channel has its plane; several of small planes make one stretch, and long ones are cut.
PLANES = {
    "small planes": (6, 24, 3, 3),
    "channels left over": (3, 37, 7, 7),
    "a plane fills a stretch": (2, 5, 32, 64),
    "cut planes": (2, 3, 50, 90),
    "one plane": (1, 1, 70, 70),
    "signals": (16, 24, 50),
    "volumes": (4, 6, 5, 4, 3),
    "planes spread over threads": (40, 24, 9, 8),
}
RESULTS = "y", "mean", "variance", "∂L/∂x", "∂L/∂weight", "∂L/∂bias"
DATA = {
    "usual": lambda x: 3 * x + 2,
    "large mean": lambda x: x + 1000,
    "larger mean": lambda x: x - 1e5,
    "small": lambda x: x * 1e-3,
    "large": lambda x: x * 1e6,
    # Sums are counted from the first picture's mean.
    "first picture far off": lambda x: torch.cat([x[:1] + 1e3, x[1:]]),
}


def _pixels(x):
    """Channels innermost."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def _planes(x):
    return x.contiguous() if x.dim() > 2 else x.unsqueeze(2)


LAYOUTS = {"pixels": _pixels, "planes": _planes}


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def laid(request):
    return request.param


def _parameters(c, dtype=torch.float32):
    return normal(c, seed=4, dtype=dtype), normal(c, seed=5, dtype=dtype)


def _run(function, x, parameters, g, eps=1e-5):
    """y, mean and variance, then the gradients along the inputs, of a loss that all three act on."""
    leaves = [t.detach().requires_grad_() for t in (x, *parameters)]
    outputs = function(*leaves, eps)
    cotangents = [g, *(normal(*t.shape, seed=6 + i).to(t.dtype) for i, t in enumerate(outputs[1:]))]
    return *(t.detach() for t in outputs), *torch.autograd.grad(outputs, leaves, cotangents)


def _pytorch(function):
    """The same outputs from PyTorch's own functions."""

    def outputs(x, weight, bias, eps):
        axes = [0, *range(2, x.dim())]
        y = torch.nn.functional.batch_norm(x, None, None, weight, bias, True, 0.1, eps)
        y = {BatchNormGELU: torch.nn.functional.gelu, BatchNormReLU: torch.relu}.get(function, lambda z: z)(y)
        return y, x.mean(axes), x.var(axes, correction=0)

    return outputs


@pytest.fixture
def ran(monkeypatch):
    """How many of the calls forward and backward were compiled."""
    found = [counted(monkeypatch, native, name) for name in ("forward", "backward")]
    return lambda: tuple(sum(result is not None for result in results) for results in found)


def _formula(function, *args):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "_laid", lambda x: (x, None))
        patch.setattr(_batch_norm_fast, "applies", lambda x: False)
        return _run(function.apply, *args)


def _errors(results, exact, x):
    """For each result the largest error, in parts of the largest element; of y and ∂L/∂x, channel by channel.

    The mean errs in parts of x, and a sum of m numbers that cancel in parts of √m of them.
    """
    m = x.numel() // x.shape[1]
    least = [1e-30, x.double().abs().max().item(), 1e-30, 1e-30, m**0.5, m**0.5]

    def largest(t):
        return t.double().abs().transpose(0, 1).flatten(1).amax(1) if t.dim() > 1 else t.double().abs().max()

    return [
        largest(a.double() - e) / largest(e).clamp(min=floor) for a, e, floor in zip(results, exact, least, strict=True)
    ]


def _compare(function, x, g, threads=1):
    parameters = _parameters(x.shape[1])
    exact = _run(_pytorch(function), x.double(), [p.double() for p in parameters], g.double())
    with using(threads):
        ours = _run(function.apply, x, parameters, g)
    theirs = _formula(function, x, parameters, g)
    errors = zip(ours, _errors(ours, exact, x), _errors(theirs, exact, x), strict=True)
    for i, (result, our, their) in enumerate(errors):
        assert result.dtype == theirs[i].dtype
        unit = torch.finfo(result.dtype).eps
        # A variance that is right to seven digits is enough for a y that is rounded to as many.
        assert (our <= 2 * their.max() + (8 if i == 2 else 1) * unit).all(), RESULTS[i]


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES, ["odd matrix", "two pixels a row", "few rows", "one picture", "spread over threads"])
def test_shapes(ran, function, dtype, shape, threads):
    x, g = (_pixels(normal(*shape, seed=seed, dtype=dtype)) for seed in (1, 2))
    _compare(function, 3 * x + 2, g, threads)
    assert ran() == (1, 1)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(PLANES, ["channels left over", "cut planes", "planes spread over threads"])
def test_shapes_of_planes(ran, function, dtype, shape, threads):
    x, g = (normal(*shape, seed=seed, dtype=dtype) for seed in (1, 2))
    _compare(function, 3 * x + 2, g, threads)
    assert ran() == (1, 1)


@pytest.mark.parametrize("function", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("shape", [(40, 24, 8, 8), (700, 33)], ids=str)
def test_data(laid, ran, function, dtype, data, shape):
    x, g = (laid(normal(*shape, seed=seed)) for seed in (1, 2))
    _compare(function, data(x).to(dtype), g.to(dtype))
    assert ran() == (1, 1)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_a_constant_channel(laid, function, dtype):
    """It becomes the bias; its gradient is that of a plain factor 1/√ε."""
    x, g = (laid(normal(8, 24, 8, 8, seed=seed, dtype=dtype)) for seed in (1, 2))
    x[:, 5] = 2.5
    parameters = _parameters(24)
    y, mean, v, grad_x, grad_weight, _ = _run(function.apply, x, parameters, g)
    exact = _run(_pytorch(function), x.double(), [p.double() for p in parameters], g.double())
    assert (mean[5], v[5], grad_weight[5]) == (2.5, 0, 0)
    torch.testing.assert_close(y[:, 5].double(), exact[0][:, 5], rtol=torch.finfo(dtype).eps, atol=0)
    bound = 4 * torch.finfo(dtype).eps * exact[3][:, 5].abs().max()
    assert ((grad_x[:, 5].double() - exact[3][:, 5]).abs() <= bound).all()


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")], ids=str)
@pytest.mark.parametrize("place", [(0, 5, 0, 0), (3, 5, 7, 7)], ids=["first picture", "last picture"])
def test_a_bad_number_spoils_its_channel_alone(laid, function, bad, place):
    x, g = (laid(normal(4, 24, 8, 8, seed=seed)) for seed in (1, 2))
    parameters = _parameters(24)
    good = _run(function.apply, x, parameters, g)
    x[place] = bad
    results = _run(function.apply, x, parameters, g), good, _formula(function, x, parameters, g)
    for spoilt, was, like in zip(*results, strict=True):
        channels, before, formula = (t.transpose(0, 1) if t.dim() > 1 else t for t in (spoilt, was, like))
        assert torch.equal(channels[5].isfinite(), formula[5].isfinite())
        others = [c for c in range(24) if c != 5]
        torch.testing.assert_close(channels[others], before[others], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("place", [(0, 5, 0, 0), (3, 5, 7, 7)], ids=["first", "last"])
def test_a_bad_cotangent_spoils_its_channel_alone(laid, function, place):
    x, g = (laid(normal(4, 24, 8, 8, seed=seed)) for seed in (1, 2))
    g[place] = float("nan")
    grad_x, *grads = _run(function.apply, x, _parameters(24), g)[3:]
    for grad in (grad_x.transpose(0, 1), *grads):
        assert grad[5].isnan().all()
        assert grad[[c for c in range(24) if c != 5]].isfinite().all()


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("given", [(True, False), (False, True), (False, False)], ids=["weight", "bias", "neither"])
@pytest.mark.parametrize("kind", ["float32", "half"])
def test_parameters_may_be_missing_or_half(laid, function, given, kind):
    dtype = torch.bfloat16 if kind == "half" else torch.float32
    x, g = (laid(normal(4, 24, 8, 8, seed=seed, dtype=torch.bfloat16)) for seed in (1, 2))
    weight, bias = (p if there else None for p, there in zip(_parameters(24, dtype), given, strict=True))

    def run(x, weight, bias, apply):
        leaves = [t.detach().requires_grad_() for t in (x, weight, bias) if t is not None]
        names = [t is not None for t in (weight, bias)]
        rest = iter(leaves[1:])
        y = apply(leaves[0], *(next(rest) if there else None for there in names), 1e-5)[0]
        return y, *torch.autograd.grad(y, leaves, g.to(y.dtype))

    ours = run(x, weight, bias, function.apply)
    exact = run(*(None if t is None else t.double() for t in (x, weight, bias)), _pytorch(function))
    assert [t.dtype for t in ours] == [torch.bfloat16] * 2 + [dtype] * sum(given)
    for a, e in zip(ours, exact, strict=True):
        assert (a.double() - e).abs().max() <= 2e-2 * e.abs().max() * (1 if a.dim() > 1 else 0.5)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("needs", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1)], ids=str)
def test_only_what_is_needed_is_computed(laid, monkeypatch, function, needs):
    returned = counted(monkeypatch, native, "backward")
    x, g = (laid(normal(4, 24, 8, 8, seed=seed)) for seed in (1, 2))
    leaves = [t.detach().requires_grad_() for t in (x, *_parameters(24))]
    every = torch.autograd.grad(function.apply(*leaves, 1e-5)[0], leaves, g)
    some = [leaf.detach().requires_grad_(bool(need)) for leaf, need in zip(leaves, needs, strict=True)]
    y = function.apply(*some, 1e-5)[0]
    grads = torch.autograd.grad(y, [leaf for leaf in some if leaf.requires_grad], g)
    assert [r is not None for r in returned[1]] == [bool(n) for n in needs]
    for a, b in zip(grads, [e for e, need in zip(every, needs, strict=True) if need], strict=True):
        assert torch.equal(a, b)


COTANGENTS = {
    "expanded": lambda g: g[:1, :1, :1, :1].expand_as(g),
    "channels first": lambda g: g.contiguous(),
    "channels last": _pixels,
    "transposed": lambda g: g.mT.contiguous().mT,
    "of a concatenation": lambda g: torch.cat([g, g], 1)[:, 24:],
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("lay", COTANGENTS.values(), ids=COTANGENTS)
def test_cotangents_come_in_any_layout(laid, ran, function, lay):
    x, g = (laid(normal(4, 24, 8, 8, seed=seed)) for seed in (1, 2))
    g = lay(g)
    ours, same = (_run(function.apply, x, _parameters(24), cotangent) for cotangent in (g, laid(g.clone())))
    assert ran() == (2, 2)
    for a, b in zip(ours, same, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_nothing_is_written_to(laid, function):
    tensors = [laid(normal(4, 24, 8, 8, seed=1)), *_parameters(24), laid(normal(4, 24, 8, 8, seed=2))]
    before = [t.clone() for t in tensors]
    x, *parameters, g = tensors
    first, second = (_run(function.apply, x, parameters, g) for _ in range(2))
    assert all(map(torch.equal, tensors, before))
    assert all(map(torch.equal, first, second))


@pytest.mark.parametrize("function", [F.batch_norm, F.batch_norm_gelu, F.batch_norm_relu])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_running_statistics_are_those_of_the_formula(laid, ran, function, dtype):
    x = laid(3 * normal(8, 24, 8, 8, dtype=dtype) + 1)
    mean, var = torch.zeros(24), torch.ones(24)
    function(x, mean, var, *_parameters(24), training=True, momentum=0.3)
    assert ran() == (1, 0)
    wide = x.double()
    torch.testing.assert_close(mean.double(), 0.3 * wide.mean((0, 2, 3)), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(var.double(), 0.7 + 0.3 * wide.var((0, 2, 3)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("needs", [(1, 1, 1), (1, 0, 0), (0, 1, 1)], ids=str)
@pytest.mark.parametrize("shape", [(8, 24, 8, 8), (700, 33)], ids=str)
def test_in_evaluation_the_statistics_are_constants(laid, ran, dtype, needs, shape):
    x, g = (laid(normal(*shape, seed=seed, dtype=dtype)) for seed in (1, 2))
    mean, var = normal(shape[1], seed=3), normal(shape[1], seed=4).square() + 0.1

    def gradients(function, kind):
        leaves = [
            t.to(kind or t.dtype).detach().requires_grad_(bool(need)) for t, need in zip(given, needs, strict=True)
        ]
        y = function(leaves[0], mean.to(kind), var.to(kind), *leaves[1:])
        return torch.autograd.grad(y, [leaf for leaf in leaves if leaf.requires_grad], g.to(y.dtype))

    given = x, *_parameters(shape[1])
    ours, exact = gradients(F.batch_norm, None), gradients(torch.nn.functional.batch_norm, torch.float64)
    assert ran() == (0, 1)
    for a, e in zip(ours, exact, strict=True):
        bound = torch.finfo(a.dtype).eps * e.abs().max() * (1 if a.dim() > 1 else 8)
        assert ((a.double() - e).abs() <= bound).all()


def test_in_evaluation_a_bad_cotangent_spoils_its_place_alone(laid):
    x, g = (laid(normal(4, 24, 8, 8, seed=seed)) for seed in (1, 2))
    g[1, 5, 3, 3] = float("nan")
    x.requires_grad_()
    F.batch_norm(x, torch.zeros(24), torch.ones(24)).backward(g)
    assert torch.equal(x.grad.isfinite(), g.isfinite())


def _refused():
    x = normal(4, 24, 8, 8)
    return {
        "few": _pixels(x[:2, :2, :2, :2]),
        "few planes": x[:2, :2, :2, :2].contiguous(),
        "double": x.double(),
        "float16": x.half(),
    }


REFUSED = _refused()


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("case", REFUSED)
def test_others_go_another_way(ran, function, case):
    x = REFUSED[case]
    parameters = _parameters(x.shape[1], x.dtype if x.dtype == torch.float64 else torch.float32)
    ours = _run(function.apply, x, parameters, torch.ones_like(x))
    assert ran() == (0, 0)
    exact = _run(_pytorch(function), x.double(), [p.double() for p in parameters], torch.ones_like(x).double())
    torch.testing.assert_close(ours[0].double(), exact[0], rtol=1e-2, atol=1e-2)


def _laid_otherwise():
    x = normal(4, 24, 8, 8)
    return {
        "a slice": x[:, :, 1:],
        "a slice of pixels": _pixels(x)[:, :, 1:],
        "one picture for all": x[:1].expand(4, -1, -1, -1),
        "a transposed matrix": normal(64, 100).t(),
        "a transposed signal": normal(10, 20, 24).mT,
        "a volume": normal(4, 24, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d),
        "a slice of a volume": normal(4, 24, 4, 4, 5)[..., 1:],
    }


LAID_OTHERWISE = _laid_otherwise()


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("layout", LAID_OTHERWISE)
def test_whatever_lies_otherwise_is_laid_anew(ran, function, dtype, layout):
    x = LAID_OTHERWISE[layout].to(dtype)
    _compare(function, x, normal(*x.shape, seed=1, dtype=dtype))
    assert ran() == (1, 1)
    y = function.apply(x, None, None, 1e-5)[0]
    assert y.stride() == torch.nn.functional.batch_norm(x, None, None, training=True).stride()


def _statistics(dtype=torch.float32):
    return [normal(37, seed=i, dtype=dtype) for i in range(4)]


@pytest.mark.parametrize(("momentum", "share"), [(0.1, 0.125), (1.0, 1.5), (0.0, 0.0)])
def test_statistics_are_moved(momentum, share):
    mean, v, *batch = _statistics()
    parts = zip((mean, v), batch, (momentum, share), strict=True)
    expected = [(1 - momentum) * old.double() + part * new.double() for old, new, part in parts]
    assert native.track((mean, v), batch, momentum, share)
    torch.testing.assert_close([mean.double(), v.double()], expected, rtol=1e-6, atol=1e-6)


def test_a_layer_moves_them_so(monkeypatch):
    done = counted(monkeypatch, native, "track")
    x, (mean, v, *_) = normal(64, 37, seed=9), _statistics()
    ours, theirs = (mean.clone(), v.clone()), (mean.clone(), v.clone())
    F.batch_norm(x, *ours, training=True, momentum=0.3)
    torch.nn.functional.batch_norm(x, *theirs, training=True, momentum=0.3)
    torch.testing.assert_close(ours, theirs)
    assert done == [True]


def test_who_saved_statistics_learns_that_they_moved():
    x, (mean, v, *batch) = normal(8, 37).requires_grad_(), _statistics()
    y = F.batch_norm(x, mean, v.abs_())
    assert native.track((mean, v), batch, 0.1, 0.1)
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()


def test_statistics_of_half_precision_are_moved_too():
    mean, v, *batch = _statistics()
    halves = mean.bfloat16(), v.bfloat16()
    expected = [(0.9 * old.float() + 0.1 * new).bfloat16() for old, new in zip(halves, batch, strict=True)]
    assert native.track(halves, batch, 0.1, 0.1)
    torch.testing.assert_close(list(halves), expected, rtol=2**-8, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_statistics_of_other_types_are_left_alone(dtype):
    mean, v, *batch = _statistics()
    before = mean.to(dtype)
    moved = before.clone()
    assert not native.track((moved, v), batch, 0.1, 0.1)
    assert torch.equal(moved, before)


def test_statistics_of_inference_mode_are_moved_by_the_formula():
    with torch.inference_mode():
        mean, v, *_ = _statistics()
        before = mean.clone()
        F.batch_norm(normal(64, 37, seed=9), mean, v, training=True)
        assert not torch.equal(mean, before)


def test_statistics_that_are_not_in_memory_as_they_stand_are_moved_by_the_formula():
    x, (mean, v, *_) = normal(64, 37, seed=9), _statistics()
    expected = mean.clone()
    torch.nn.functional.batch_norm(x, expected, v.clone(), training=True)
    negated = torch._neg_view(-mean)
    F.batch_norm(x, negated, v, training=True)
    torch.testing.assert_close(negated.clone(), expected)


@pytest.mark.parametrize("name", ["batch_norm", "batch_norm_relu", "batch_norm_gelu"])
def test_where_only_the_statistics_have_cotangents(name):
    """As in a second derivative, in which the result itself has no part."""
    x, direction = normal(64, 37, seed=9), normal(64, 37, seed=8)

    def second(function, x):
        x = x.requires_grad_()
        y = function(x, None, None, training=True)
        (grad,) = torch.autograd.grad(y, x, direction.to(x.dtype), create_graph=True)
        return torch.autograd.grad(grad.square().sum(), x)[0]

    ours, exact = second(getattr(F, name), x), second(SPECS[name].reference, x.double())
    torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["batch_norm", "batch_norm_relu"])
def test_no_zeros_are_made_for_the_statistics_cotangents(monkeypatch, name):
    given = []

    def keeping(*args, function=native.backward):
        given.append(args[7])
        return function(*args)

    monkeypatch.setattr(native, "backward", keeping)
    x = normal(64, 37).requires_grad_()
    y = getattr(F, name)(x, None, None, training=True)
    torch.autograd.grad(y, x, torch.ones_like(y))
    assert given == [(None, None)]

"""Cross-entropy and the likelihood, compiled, and their gradients equal those of double precision."""

from functools import partial

import pytest
import torch

from manualnet import functional as F
from manualnet.native import cross_entropy as native
from manualnet.native import scores

from .kit import DTYPES, compiled, counted, normal, threaded, using

pytestmark = compiled
# Examples, classes and places: rows that are turned and rows that are not, blocks that are cut, planes.
SHAPES = {
    "few classes": (100, 10),
    "several blocks": (700, 10),
    "the most that are turned": (131, 32),
    "whole vectors": (7, 64),
    "cut vectors": (7, 100),
    "more than a block": (3, 513),
    "one long row": (1, 5001),
    "one example": (200,),
    "one class": (150, 1),
    "signals": (5, 7, 11),
    "pictures": (2, 21, 9, 16),
    "wide pictures": (1, 3, 20, 40),
    "volumes": (2, 5, 3, 4, 5),
    "spread over threads": (4096, 10),
    "pictures over threads": (6, 21, 16, 17),
}
REDUCTIONS = ["mean", "sum", "none"]
IGNORED = -7
FUNCTIONS = {
    "cross-entropy": F.cross_entropy,
    "smoothed": lambda x, t, **kwargs: F.cross_entropy(x, t, label_smoothing=0.2, **kwargs),
    "likelihood": F.nll_loss,
}
EXACT = {
    "cross-entropy": torch.nn.functional.cross_entropy,
    "smoothed": lambda x, t, **kwargs: torch.nn.functional.cross_entropy(x, t, label_smoothing=0.2, **kwargs),
    "likelihood": torch.nn.functional.nll_loss,
}


@pytest.fixture
def ran(monkeypatch):
    counts = [counted(monkeypatch, native, name) for name in ("cross_entropy_backward", "nll_backward")]
    return lambda: [grad for returned in counts for grad in returned]


def _target(shape, ignored=True):
    places = shape[:1] + shape[2:] if len(shape) > 1 else ()
    classes = shape[min(1, len(shape) - 1)]
    target = torch.randint(classes, places, generator=torch.Generator().manual_seed(3))
    if ignored and target.numel() > 3:
        target.view(-1)[::3] = IGNORED
    return target


def _gradient(function, x, target, reduction, weight=None):
    x = x.detach().requires_grad_()
    y = function(x, target, weight=weight, ignore_index=IGNORED, reduction=reduction)
    g = normal(*y.shape, seed=5).to(y.dtype)
    return torch.autograd.grad(y, x, g)[0]


def _check(name, x, target, reduction, weight=None):
    wide = None if weight is None else weight.double()
    ours = _gradient(FUNCTIONS[name], x, target, reduction, weight)
    exact = _gradient(EXACT[name], x.double().contiguous(), target, reduction, wide)
    assert ours.dtype == x.dtype
    unit, largest = torch.finfo(x.dtype).eps, exact.abs().max()
    # Half precision is rounded once, after float32's own errors; its cotangent of one number was rounded before.
    assert ((ours.double() - exact).abs() <= unit * exact.abs() + 2e-6 * largest).all()
    assert (ours[_whole(target, x) == IGNORED] == 0).all()
    return ours


def _whole(target, x):
    """The target of every score."""
    return target.unsqueeze(min(1, x.dim() - 1)).expand(x.shape)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES, ["several blocks", "spread over threads", "pictures over threads"])
def test_shapes(ran, name, reduction, dtype, shape, threads):
    with using(threads):
        ours = _check(name, 4 * normal(*shape, dtype=dtype), _target(shape), reduction)
    assert ran()[0] is ours


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(100, 10), (7, 100), (2, 21, 9, 16)], ids=str)
def test_weights(ran, name, reduction, shape):
    weight = normal(shape[1], seed=8).abs() + 0.1
    ours = _check(name, 4 * normal(*shape), _target(shape), reduction, weight)
    assert ran()[0] is ours


LAYOUTS = {
    "classes innermost": (0, 2, 3, 1),
    "classes outermost": (1, 0, 2, 3),
    "classes in the middle": (0, 2, 1, 3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("classes", [21, 40])
@pytest.mark.parametrize("order", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_pictures_in_other_layouts(monkeypatch, ran, name, classes, order, reduction):
    likelihood = name == "likelihood"
    valued = counted(monkeypatch, native, "nll_loss" if likelihood else "cross_entropy")
    x = normal(2, classes, 9, 16)
    x = x.permute(order).contiguous().permute(tuple(torch.tensor(order).argsort()))
    target = _target(x.shape)
    ours = _check(name, x, target, reduction)
    assert ran()[0] is ours
    assert likelihood or ours.stride() == x.stride()
    settings = {"ignore_index": IGNORED, "reduction": reduction}
    torch.testing.assert_close(FUNCTIONS[name](x, target, **settings), EXACT[name](x, target, **settings))
    assert all(value is not None for value in valued)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_pictures_whose_places_are_in_another_order(monkeypatch, name):
    valued = counted(monkeypatch, native, "nll_loss" if name == "likelihood" else "cross_entropy")
    x = normal(2, 21, 9, 16).transpose(2, 3)
    _check(name, x, _target(x.shape), "mean")
    # A likelihood looks up a few scores, for which not all are copied.
    assert [value is None for value in valued] == [name == "likelihood"]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(100, 10), (7, 100), (2, 21, 9, 16)], ids=str)
def test_what_is_ignored_has_no_gradient_whatever_it_holds(name, reduction, shape):
    x, target = normal(*shape), torch.full(_target(shape).shape, IGNORED)
    x[0] = float("inf")
    assert (_gradient(FUNCTIONS[name], x, target, reduction) == 0).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize("shape", [(100, 10), (7, 100), (2, 21, 9, 16)], ids=str)
def test_a_bad_score_spoils_its_example_alone(bad, shape):
    x, target = normal(*shape), _target(shape, ignored=False)
    x[(1, 5) + (0,) * (len(shape) - 2)] = bad
    ours, theirs = (_gradient(f["cross-entropy"], x, target, "mean") for f in (FUNCTIONS, EXACT))
    assert torch.equal(ours.isfinite(), theirs.isfinite())
    assert not ours.isfinite().all()


@pytest.mark.parametrize("shape", [(100, 10), (7, 100), (2, 21, 9, 16)], ids=str)
def test_scores_of_minus_infinity_are_classes_that_cannot_be(shape):
    x, target = normal(*shape), torch.zeros_like(_target(shape))
    x[:, 3:] = -float("inf")
    ours, theirs = (_gradient(f["cross-entropy"], x, target, "mean") for f in (FUNCTIONS, EXACT))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_targets_and_scores_with_gaps(ran, name):
    x, target = normal(60, 10), _target((60, 10))
    expected = _gradient(FUNCTIONS[name], x, target, "mean")
    torch.testing.assert_close(
        _gradient(FUNCTIONS[name], x, target.repeat_interleave(2)[::2], "mean"), expected, rtol=0, atol=0
    )
    gaps = normal(60, 20, seed=1)[:, :10].copy_(x)
    torch.testing.assert_close(_gradient(FUNCTIONS[name], gaps, target, "mean"), expected)


@pytest.fixture
def worth(monkeypatch):
    """Small likelihoods are compiled too."""
    monkeypatch.setattr(native, "_MANY", 0)
    monkeypatch.setattr(native, "_LOOKED_UP", 0)


@pytest.mark.parametrize(
    ("scores", "targets", "compiled"),
    [
        (normal(16384, 2), 16384, False),
        (normal(16385, 2), 16385, True),
        (normal(2048, 4, dtype=torch.bfloat16)[::2], 1024, True),
        (normal(2048, 4)[::2], 1024, True),
        (normal(1000, 4)[::2], 500, False),
        (normal(20000, 2, dtype=torch.float64), 20000, False),
    ],
    ids=["few", "more", "half precision", "with gaps", "few with gaps", "double"],
)
def test_a_few_likelihoods_are_looked_up_by_pytorch(monkeypatch, scores, targets, compiled):
    ran = counted(monkeypatch, native, "nll_loss")
    target = torch.zeros(targets, dtype=torch.int64)
    torch.testing.assert_close(F.nll_loss(scores, target), torch.nn.functional.nll_loss(scores, target))
    assert bool(ran) == compiled


SLICES = {
    "few classes": lambda n: n(300, 20)[:, 5:15],
    "classes": lambda n: n(300, 90)[:, 5:55],
    "every second": lambda n: n(300, 40)[::2],
    "the last of each": lambda n: n(300, 4, 40)[:, -1],
    "pictures": lambda n: n(8, 30, 9, 16)[:, 4:25],
    "pictures of few classes": lambda n: n(8, 30, 9, 16)[:, 4:14],
    "a few pictures": lambda n: n(9, 21, 9, 16)[::3],
}


@pytest.mark.usefixtures("worth")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("make", SLICES.values(), ids=SLICES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_slices_are_read_where_they_lie(monkeypatch, ran, name, make, reduction, dtype):
    likelihood = name == "likelihood"
    valued = counted(monkeypatch, native, "nll_loss" if likelihood else "cross_entropy")
    x = make(partial(normal, dtype=dtype))
    handed = counted(monkeypatch, native if likelihood else scores, "where_they_lie")
    ours = _gradient(FUNCTIONS[name], x, _target(x.shape), reduction)
    assert {sizes.apart for sizes in handed} == {x.stride(0)}
    dense = _gradient(FUNCTIONS[name], x.clone(memory_format=torch.contiguous_format), _target(x.shape), reduction)
    torch.testing.assert_close(ours, dense, rtol=0, atol=0)
    assert all(value is not None for value in [*ran(), *valued])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@threaded(SHAPES, ["several blocks", "pictures over threads"])
@pytest.mark.usefixtures("worth")
def test_the_loss(monkeypatch, name, reduction, dtype, weighted, shape, threads):
    likelihood = name == "likelihood"
    ran = counted(monkeypatch, native, "nll_loss" if likelihood else "cross_entropy")
    x, target = 4 * normal(*shape, dtype=dtype), _target(shape)
    weight = normal(shape[min(1, len(shape) - 1)], seed=8, dtype=dtype).abs() if weighted else None
    settings = {"ignore_index": IGNORED, "reduction": reduction}
    with using(threads):
        ours = FUNCTIONS[name](x, target, weight=weight, **settings)
    wide = None if weight is None else weight.double()
    exact = EXACT[name](x.double(), target, weight=wide, **settings)
    assert ran[0] is not None
    assert ours.dtype == dtype
    torch.testing.assert_close(
        ours.double(), exact, rtol=torch.finfo(dtype).eps if dtype == torch.bfloat16 else 2e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_a_loss_that_is_compiled_is_not_computed_again(monkeypatch, name):
    monkeypatch.setattr(native, "_MANY", 0)
    monkeypatch.setattr(native, "_LOOKED_UP", 0)
    monkeypatch.setattr(native, name, lambda *args: torch.tensor(123.0))
    assert getattr(F, name)(normal(100, 10), _target((100, 10))) == 123


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("worth")
def test_the_loss_of_what_is_not_in_memory_as_it_is_read(name):
    x, target = normal(100, 10), _target((100, 10), ignored=False)
    torch.testing.assert_close(FUNCTIONS[name](torch._neg_view(-x), target), FUNCTIONS[name](x, target))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(100, 10), (7, 100), (2, 21, 9, 16)], ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, -3e38], ids=str)
@pytest.mark.usefixtures("worth")
def test_the_loss_of_special_scores(name, shape, value):
    x, target = normal(*shape), _target(shape)
    x[:, 1] = value
    x[-1] = value
    ours, theirs = (f[name](x, target, ignore_index=IGNORED, reduction="none") for f in (FUNCTIONS, EXACT))
    torch.testing.assert_close(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.usefixtures("worth")
def test_where_all_is_ignored_the_mean_is_nan(name, reduction):
    x, target = normal(100, 10), torch.full((100,), IGNORED)
    ours, theirs = (f[name](x, target, ignore_index=IGNORED, reduction=reduction) for f in (FUNCTIONS, EXACT))
    torch.testing.assert_close(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("wrong", [-1, 10, 1 << 40])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss])
@pytest.mark.usefixtures("worth")
def test_a_class_that_there_is_not_is_an_error(wrong, reduction, function):
    target = _target((100, 10), ignored=False)
    target[99] = wrong
    with pytest.raises(IndexError, match=f"arget {wrong} is out of bounds"):
        function(normal(100, 10), target, reduction=reduction)

"""How the losses are called: well and ill-formed arguments end as PyTorch's, in value, type and exception."""

import warnings
from fractions import Fraction
from itertools import product

import pytest
import torch
from torch import tensor

from manualnet import functional, reference

NAN = float("nan")
PYTORCHS = "binary_cross_entropy binary_cross_entropy_with_logits cross_entropy l1_loss mse_loss nll_loss".split()
CLASSED = ["cross_entropy", "nll_loss"]


def _both(name):
    return getattr(functional, name), getattr(reference.functional, name)


def _outcome(function, *args, **kwargs):
    """The type of what is raised, or of the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            return type(error)
        return result.shape, result.dtype


def _x(*shape, dtype=torch.float32):
    return torch.full(shape, 0.5, dtype=dtype)


def _i(*shape, dtype=torch.int64):
    return torch.zeros(shape, dtype=dtype)


CLASS_SHAPES = [
    ((), ()),
    ((), (1,)),
    ((4,), ()),
    ((4,), (1,)),
    ((4,), (2,)),
    ((4,), (1, 1)),
    ((3, 4), ()),
    ((3, 4), (2,)),
    ((3, 4), (3, 1)),
    ((3, 4), (3, 2)),
    ((3, 4), (3, 4)),
    ((3, 4, 2), (3,)),
    ((3, 4, 2), (3, 3)),
    ((3, 4, 2), (2, 2)),
    ((3, 4, 2), (3, 1, 2)),
    ((3, 4, 2, 2), ()),
    ((3, 4, 2, 2), (3, 2)),
    ((3, 4, 2, 2), (3, 2, 3)),
    ((3, 4, 2, 2), (2, 2, 2)),
    ((3, 4, 2, 2, 2), (3, 2, 2)),
    ((0, 4), (0,)),
    ((0,), ()),
    ((3, 0), (3,)),
    ((0, 0), (0,)),
    ((3, 4, 0), (3, 0)),
]
ONE = (_x(3, 4), _i(3))
PAIR = (_x(3, 4), _x(3, 4))
CALLS = [
    *[
        (name, (_x(*x), _i(*t)), {"reduction": r})
        for name in CLASSED
        for x, t in CLASS_SHAPES
        for r in ("mean", "none")
    ],
    *[(name, (*ONE, _x(*w)), {}) for name in CLASSED for w in [(4,), (3,), (1, 4), (4, 1), ()]],
    *[("cross_entropy", (*PAIR, _x(*w)), {}) for w in [(4,), (3,), (1, 4), ()]],
    *[("cross_entropy", (*ONE, _x(*w)), {"label_smoothing": 0.1}) for w in [(4,), (3,), ()]],
    *[(name, (*ONE, _x(4).requires_grad_()), {}) for name in CLASSED],
    *[(name, (_x(3, 4), tensor([0, 1, wrong])), {}) for name in CLASSED for wrong in (4, -1, -100, 99)],
    *[(name, (_x(3, 4), tensor([0, -100, 9])), {"ignore_index": 9}) for name in CLASSED],
    *[(name, (_x(3, 4), tensor([0, 1, 156]).byte()), {}) for name in CLASSED],
    *[(name, (_x(3, 4), tensor([0, 1, 255]).byte()), {"ignore_index": 255}) for name in CLASSED],
    *[(name, (_x(2, 4, *d), _i(2, *d).byte()), {}) for name in CLASSED for d in [(3,), (3, 2), (3, 2, 2)]],
    *[(name, (_x(3, 4), [0, 1, 2]), {}) for name in CLASSED],
    *[(name, ([[0.5]], _i(1)), {}) for name in CLASSED],
    *[("cross_entropy", args, {"label_smoothing": s}) for args in (ONE, PAIR) for s in (-0.5, 0, 0.1, 1.0, 1.5)],
    *[("cross_entropy", PAIR, {"ignore_index": i}) for i in (-1, 0, 2)],
    *[
        ("cross_entropy", (_x(*s), _x(*s)), {"reduction": r})
        for s in [(), (4,), (3, 0), (0,)]
        for r in ("mean", "none")
    ],
    ("binary_cross_entropy", (_x(3), _x(3, 1)), {}),
    ("binary_cross_entropy", (tensor([1.1]), _x(1)), {}),
    ("binary_cross_entropy", (tensor([-0.1]), _x(1)), {}),
    ("binary_cross_entropy", (tensor([NAN]), _x(1)), {}),
    ("binary_cross_entropy", (_x(1), tensor([1.1])), {}),
    ("binary_cross_entropy", (_x(1), tensor([NAN])), {}),
    *[("binary_cross_entropy", (_x(3), _x(3), _x(*w)), {}) for w in [(), (1,), (2,), (3,), (2, 3)]],
    ("binary_cross_entropy", (_x(3), _x(3), _x(3).requires_grad_()), {}),
    ("binary_cross_entropy_with_logits", (_x(3), _x(3, 1)), {}),
    *[
        ("binary_cross_entropy_with_logits", (_x(3), _x(3)), {argument: w})
        for argument in ("weight", "pos_weight")
        for w in [_x(), _x(1), _x(2), _x(3), _x(2, 3), _x(3).requires_grad_(), _i(3), _x(3, dtype=torch.float64)]
    ],
    *[
        (name, (_x(3), _x(*t)), {"weight": w})
        for name in ("mse_loss", "l1_loss")
        for t in [(2,), (3,)]
        for w in [None, _x(1)]
    ],
    *[(name, (_x(3), _x(3)), {"weight": _x(3), "reduction": "median"}) for name in ("mse_loss", "l1_loss")],
    *[(name, ([0.5], _x(1)), {}) for name in ("mse_loss", "l1_loss")],
    *[(name, (_x(1), 0.5), {}) for name in ("mse_loss", "l1_loss", "binary_cross_entropy")],
    *[
        (name, (_x(3, 4), _i(3) if name == "nll_loss" else _x(3, 4)), {"reduction": r})
        for name in PYTORCHS
        for r in ("median", None, "sum")
    ],
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_well_and_ill_formed_calls_end_as_pytorchs(name, args, kwargs):
    ours, theirs = (_outcome(f, *args, **kwargs) for f in _both(name))
    assert ours == theirs


DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("dtypes", list(product(DTYPES, DTYPES)), ids=lambda d: "-".join(str(x)[6:] for x in d))
@pytest.mark.parametrize("name", PYTORCHS)
def test_types_and_their_errors_are_pytorchs(name, dtypes, reduction):
    x, t = (torch.ones(3, 4).to(d) for d in dtypes)
    calls = [((x, t), {})]
    if name in CLASSED:
        weight = torch.ones(4).to(dtypes[1])
        calls = [((x, t[:, 0]), {}), ((x, _i(3), weight), {}), ((x, t), {})]
        if name == "cross_entropy":
            calls.append(((x, _x(3, 4), weight), {}))
    else:
        calls.append(((x, x), {"weight": t}))
    for args, kwargs in calls:
        ours, theirs = (_outcome(f, *args, reduction=reduction, **kwargs) for f in _both(name))
        assert ours == theirs


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "error", "message"),
    [
        ("hinge_loss", (_x(3, 4), tensor([0, 4, 1])), {}, IndexError, "target 4 .* 0 to 3$"),
        ("hinge_loss", (_x(3, 4), tensor([0, -1, 1])), {}, IndexError, "target -1 is out of bounds"),
        (
            "cross_entropy",
            (_x(3, 4), tensor([-100, 7, 1])),
            {},
            IndexError,
            "target 7 is out of bounds.*-100 to ignore",
        ),
        ("nll_loss", (_x(3, 4), tensor([-100, 7, 1])), {}, IndexError, "target 7 is out of bounds.*-100 to ignore"),
        ("hinge_loss", (_x(3, 4, 2), _i(3, 2)), {}, ValueError, "shape"),
        ("hinge_loss", (_x(3, 4), _i(2)), {}, ValueError, "one target per example"),
        ("hinge_loss", (_x(3, 4), _x(3)), {}, RuntimeError, "torch.int64"),
        ("hinge_loss", (_i(3, 4), _i(3)), {}, NotImplementedError, "floating point"),
        ("hinge_loss", (_x(3, 4), [0, 1, 2]), {}, TypeError, "target must be a Tensor"),
        ("hinge_loss", ONE, {"reduction": "median"}, ValueError, "not a valid value"),
        ("squared_error", (_x(3), _x(3, 1)), {}, ValueError, "must have the shape"),
        ("squared_error", (_i(3), _i(3)), {}, NotImplementedError, "floating point"),
        ("triplet_loss", (_x(3, 2), _x(3, 2), _x(2)), {}, ValueError, "one shape"),
        ("triplet_loss", (_x(), _x(), _x()), {}, ValueError, "one shape"),
        ("triplet_loss", (_x(2), [0.5, 0.5], _x(2)), {}, TypeError, "positive must be a Tensor, but got list"),
        ("triplet_loss", (_i(2), _i(2), _i(2)), {}, NotImplementedError, "floating point"),
        ("triplet_loss", (_x(2), _x(2), _x(2)), {"reduction": "median"}, ValueError, "not a valid value"),
        ("cross_entropy", (_x(3, 4), tensor([0, 7, 1])), {}, IndexError, r"target 7 .* 0 to 3 \(or -100"),
        ("cross_entropy", (_x(3, 4), _i(3, 4)), {}, RuntimeError, "probabilities"),
    ],
)
def test_errors_say_what_is_wrong(name, args, kwargs, error, message):
    with pytest.raises(error, match=message):
        getattr(functional, name)(*args, **kwargs)


@pytest.mark.parametrize("number", [Fraction(1, 2), tensor(0.5)])
@pytest.mark.parametrize(
    ("name", "args", "argument"),
    [
        ("hinge_loss", ONE, "margin"),
        ("triplet_loss", (_x(3, 4), 2 * _x(3, 4), _x(3, 4)), "margin"),
        ("cross_entropy", ONE, "label_smoothing"),
        ("cross_entropy", PAIR, "label_smoothing"),
    ],
)
def test_a_number_may_come_in_any_form(name, args, argument, number):
    loss = getattr(functional, name)
    result = loss(*args, **{argument: number})
    assert result.item() > 0
    assert torch.equal(result, loss(*args, **{argument: 0.5}))


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.int64), (torch.uint8, torch.float64)])
def test_squared_error_of_numbers_and_integers(dtypes):
    x, t = torch.full((2,), 3, dtype=dtypes[0]), torch.full((2,), 1, dtype=dtypes[1])
    error = functional.squared_error(x, t)
    assert (error.item(), error.dtype) == (4.0, torch.promote_types(*dtypes))


def test_a_warning_names_the_line_of_the_caller():
    with pytest.warns(UserWarning, match="different to the input size") as sizes:
        functional.mse_loss(_x(3, 1), _x(3))
    with pytest.warns(UserWarning, match="elementwise_mean") as older:
        functional.l1_loss(*PAIR, reduction="elementwise_mean")
    assert [w.filename for w in (*sizes, *older)] == [__file__] * 2

"""Hypothesis draws shapes, types, strides and parameters; value, gradient and refusal must be the twin's.

``--hypothesis-profile=thorough`` draws more calls, and others every time.
"""

import copy
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils import _pytree as pytree

from manualnet.check.calls import call, floats, gradients
from manualnet.check.spec import Sample
from manualnet.specs import SPECS
from manualnet.specs.draws.draw import FLOATS, Draw, Seeded

CLOSE = 1e-12  # of the largest element, in float64
MANY = 1 << 17  # elements, of which compiled code and threads are called
each_function = pytest.mark.parametrize("name", SPECS)


class Driven(Draw):
    """Draws from Hypothesis.

    Without a strategy for each integer: Hypothesis would copy parts that look alike from one place of a call to
    another, and five of six calls would be variants of a sixth.
    """

    def __init__(self, choices, room):
        self._choices = choices
        # Nothing is compiled for float64.
        super().__init__(self.one_of(*FLOATS if room == 1 else FLOATS[1:]), room)

    def integer(self, low, high):
        return self._choices.draw_integer(low, high)


class Calls(st.SearchStrategy):
    """A call of a function, what the twin makes of it, and cotangents of that."""

    def __init__(self, spec, room):
        super().__init__()
        self.spec, self.room = spec, room

    def do_draw(self, data):
        draw = Driven(data, self.room)
        sample = self.spec.draw(draw)
        twins = _outcome(self.spec.reference, sample)
        forms = [] if isinstance(twins, Exception) else floats(twins)
        return sample, twins, [draw.tensor(v.shape, grad=False, dtype=v.dtype) for v in forms]


@each_function
def test_every_spec_draws_calls_without_hypothesis_too(name):
    for dtype in FLOATS:
        assert dtype in {t.dtype for t in SPECS[name].draw(Seeded(0, dtype)).tensors}


@each_function
@given(data=st.data())
def test_value_gradient_and_refusal_are_the_twins(name, data):
    _compare(SPECS[name], data)


@each_function
@settings(max_examples=settings.default.max_examples // 8)
@given(data=st.data())
def test_those_of_large_calls_too(name, data):
    _compare(SPECS[name], data, MANY)


def _compare(spec, data, room=1):
    sample, twins, upstream = data.draw(Calls(spec, room))
    if isinstance(twins, Exception):
        ours = _outcome(spec.function, sample)
        assert type(ours) is type(twins), f"manualnet gives {ours!r}, PyTorch {twins!r}"
        return
    ours = _results(spec.function, sample, upstream)
    theirs = _results(spec.reference, *_in_order(spec, sample, upstream))
    assert {n: (t.shape, t.dtype) for n, t in ours.items()} == {n: (t.shape, t.dtype) for n, t in theirs.items()}
    if _types(sample) == {torch.float64}:
        for n, expected in theirs.items():
            _assert_equal(ours[n], expected, n)
    else:
        # Many terms that cancel may leave no more than their errors: then what is allowed goes by the largest number.
        least = max(map(_largest_finite, [*sample.tensors, *upstream])) if room > 1 else 0.0
        _assert_as_accurate(spec, sample, upstream, ours, theirs, least)


def _copied(sample):
    """Copies with the same strides, gaps and overlaps, which ``clone`` would close."""
    return sample.map(lambda t: copy.deepcopy(t.detach()).requires_grad_(t.requires_grad))


def _outcome(function, sample):
    """What a call returns, or the exception that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(function, _copied(sample))
        except Exception as error:
            return error


def _results(function, sample, upstream):
    """Values, gradients, and the arguments as they are after the call, by name."""
    sample = _copied(sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = floats(call(function, sample))
    grads = gradients(values, sample.inputs, upstream)
    found = {"value": values, "gradient": grads, "argument": sample.tensors}
    return {f"{kind} {i}": t.detach() for kind, tensors in found.items() for i, t in enumerate(tensors)}


def _in_order(spec, sample, upstream):
    """The same call with everything contiguous: the order of memory must not matter, except to noise.

    PyTorch's own backward of nll_loss refuses some orders, and that of batch_norm misreads them.
    """
    if spec.random:
        return sample, upstream
    sample = sample.map(lambda t: t.detach().contiguous().requires_grad_(t.requires_grad))
    return sample, [u.contiguous() for u in upstream]


def _types(sample):
    """The floating types of a call, those that it asks for included."""
    leaves = pytree.tree_leaves((sample.args, sample.kwargs))
    types = (a.dtype if isinstance(a, torch.Tensor) else a for a in leaves)
    return {t for t in types if isinstance(t, torch.dtype) and t.is_floating_point}


def _assert_equal(actual, expected, name):
    bound = CLOSE * max(1.0, _largest_finite(expected)) if expected.is_floating_point() else 0
    torch.testing.assert_close(actual, expected, rtol=0, atol=bound, equal_nan=True, msg=lambda text: f"{name}: {text}")


def _assert_as_accurate(spec, sample, upstream, ours, theirs, least):
    """Ours errs, against the twin in float64, at most twice as far as the twin plus one unit in the last place.

    Of the largest element: a sum that cancels keeps the errors of its parts.
    """
    exact = _exact(spec, sample, upstream)
    for name, e in exact.items():
        if not e.is_floating_point():
            continue
        a, t = ours[name], theirs[name]
        same = (a == t) | (a == e) | (a == e.to(a.dtype)) | (a.isnan() & t.isnan())
        error = _largest(torch.where(same, 0.0, a - e))
        unit = _unit(a.dtype, e, least)
        bound = 2 * _largest_finite(t - e) + unit
        if not error <= bound:
            bound += _luck(spec, sample, upstream, name, e)
        assert error <= bound, f"{name} errs by {error / unit} units in the last place, allowed are {bound / unit}"


def _luck(spec, sample, upstream, name, exact):
    """How far the twin may err where it is right by luck, as sums of few digits are, or 1 - 1.

    As far as it does in another order of memory, which runs other kernels. And as far as it does with numbers that
    differ by up to four units in the last place, plus how far the exact result moves with them: a few steps that round
    amount to no less.
    """
    other = _outcome(lambda: _results(spec.reference, sample, upstream), Sample(()))
    errors = [0.0 if isinstance(other, Exception) else 2 * _largest_finite(other[name] - exact)]
    for seed in range(8):
        nearby = _nearby(sample, upstream, torch.Generator().manual_seed(seed))
        t, e = _results(spec.reference, *_in_order(spec, *nearby))[name], _exact(spec, *nearby)[name]
        errors.append(2 * _largest_finite(t - e) + _largest_finite(e - exact))
    return max(errors)


def _nearby(sample, upstream, generator):
    """The same call with every number up to four units nearer to 0."""

    def move(t):
        if not t.is_floating_point():
            return t
        factor = 1 - 4 * torch.finfo(t.dtype).eps * torch.rand(t.shape, generator=generator, dtype=torch.float64)
        return (t.detach() * factor).to(t.dtype).requires_grad_(t.requires_grad)

    return sample.map(move), [move(u) for u in upstream]


def _exact(spec, sample, upstream):
    """The twin's results of the same numbers in float64."""

    def widen(a):
        if isinstance(a, torch.Tensor) and a.is_floating_point():
            return a.detach().double().requires_grad_(a.requires_grad)
        return torch.float64 if isinstance(a, torch.dtype) else a

    args, kwargs, upstream = pytree.tree_map(widen, (sample.args, sample.kwargs, upstream))
    return _results(spec.reference, *_in_order(spec, Sample(args, kwargs), upstream))


def _unit(dtype, exact, least):
    """One unit in the last place of the largest element, or of ``least``."""
    info = torch.finfo(dtype)
    return info.eps * max(_largest_finite(exact), info.tiny, least)


def _largest(t):
    return t.nan_to_num(nan=math.inf).abs().max().item() if t.numel() else 0.0


def _largest_finite(t):
    return _largest(t[t.isfinite()])

"""A rule of several steps rounds once in half precision: it returns what it computes in float32, cast at the end."""

from types import SimpleNamespace

import pytest
import torch
from torch.autograd import forward_ad

from manualnet.functional._function import Function
from manualnet.specs import SPECS

SEED = 20240122
HALF = [torch.bfloat16, torch.float16]
# Steps of theirs are rounded one by one, as those of PyTorch's kernels are: in all, in tangents alone, in values alone.
PRODUCTS = {"matmul", "linear", "conv2d", "conv2d_max_pool2d", "maxout"}
TANGENTS = {"add", "sub", "mul"}
VALUES = {"add", "sub", "softmax", "log_softmax", "stochastic_depth"}
each_type = pytest.mark.parametrize("dtype", HALF, ids=["bfloat16", "float16"])


def each_spec_but(excluded):
    return pytest.mark.parametrize(
        "spec", [pytest.param(s, id=s.name) for s in SPECS.values() if s.name not in excluded]
    )


def _classes(cls=Function):
    """Those that are no base of others."""
    return [c for sub in cls.__subclasses__() for c in _classes(sub) or [sub]]


@pytest.fixture
def applied(monkeypatch):
    """Every Function that is applied from now on, with its context, inputs and outputs."""
    records = []

    def recording(cls, setup_context):
        def record(ctx, inputs, output):
            setup_context(ctx, inputs, output)
            records.append((cls, ctx, inputs, output if isinstance(output, tuple) else (output,)))

        return staticmethod(record)

    for cls in _classes():
        monkeypatch.setattr(cls, "setup_context", recording(cls, cls.setup_context))
    return records


def _several(spec, generator):
    """The spec's samples, drawn a few times: a number that is rounded twice often comes out right."""
    return [sample for _ in range(4) for sample in spec.samples(generator)]


def _apply(spec, sample, dtype):
    torch.manual_seed(SEED)
    sample = sample.map(lambda t: t.detach().to(dtype).requires_grad_(t.requires_grad) if t.is_floating_point() else t)
    with forward_ad.dual_level():  # where everything is saved
        return spec.function(*sample.args, **sample.kwargs)


def _drawn(like, generator):
    if not isinstance(like, torch.Tensor) or not like.is_floating_point():
        return None
    return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like.dtype)


def _wide(tensors):
    return [t.detach().float() if t is not None and t.dtype in HALF else t for t in tensors]


def _context(ctx, change=list):
    """A stand-in for ``ctx`` that saved something else."""
    saved = change(ctx.saved_tensors)
    return SimpleNamespace(**vars(ctx), saved_tensors=saved, needs_input_grad=ctx.needs_input_grad)


def _assert_rounded_once(rule, ctx, directions, likes, what):
    narrow, wide = rule(_context(ctx), *directions), rule(_context(ctx, _wide), *_wide(directions))
    narrow, wide = (results if isinstance(results, tuple) else (results,) for results in (narrow, wide))
    for result, exact, like in zip(narrow, wide, likes, strict=True):
        if result is not None:
            assert result.dtype == like.dtype, what
            assert torch.equal(result.nan_to_num(), exact.to(result.dtype).nan_to_num()), what


@pytest.mark.parametrize("recorded", [False, True], ids=["plain", "recorded"])
@each_type
@each_spec_but(PRODUCTS)
def test_a_rule_rounds_once(spec, dtype, recorded, applied):
    generator = torch.Generator().manual_seed(SEED)
    for sample in _several(spec, generator):
        applied.clear()
        _apply(spec, sample, dtype)
        for cls, ctx, inputs, outputs in applied:
            cotangents, tangents = ([_drawn(t, generator) for t in tensors] for tensors in (outputs, inputs))
            with torch.set_grad_enabled(recorded):
                _assert_rounded_once(cls.backward, ctx, cotangents, inputs, sample.label)
                if spec.name not in TANGENTS:
                    _assert_rounded_once(cls.jvp, ctx, tangents, outputs, sample.label)


@each_type
@each_spec_but(PRODUCTS | VALUES)
def test_a_value_is_rounded_once(spec, dtype):
    for sample in _several(spec, torch.Generator().manual_seed(SEED)):
        halves = sample.map(lambda t: t.detach().to(dtype) if t.is_floating_point() else t)
        wide = halves.map(lambda t: t.float() if t.is_floating_point() else t)
        torch.manual_seed(SEED)
        value = spec.function(*halves.args, **halves.kwargs)
        torch.manual_seed(SEED)
        exact = spec.function(*wide.args, **wide.kwargs)
        assert torch.equal(value.nan_to_num(), exact.to(value.dtype).nan_to_num()), sample.label

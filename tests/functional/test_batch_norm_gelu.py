"""What the spec cannot say of batch normalisation with GELU: the one rounding, what is kept, and the module."""

import pytest
import torch
from torch.nn.functional import batch_norm, gelu

from manualnet import functional as F
from manualnet import nn, reference
from manualnet.functional.blocks.batch_norm_gelu import BatchNormGELU
from manualnet.functional.layers import _batch_norm_fast
from manualnet.native import batch_norm as native


def _normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _inputs(*shape, dtype=torch.float64):
    c = shape[1]
    x = 3 * _normal(*shape) + 2
    x = x.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else x
    tensors = x, _normal(c, seed=1), _normal(c, seed=2).exp(), _normal(c, seed=3), _normal(c, seed=4)
    return [t.to(dtype) for t in tensors]


@pytest.fixture(params=["compiled", "formula"])
def way(request, monkeypatch):
    if request.param == "formula":
        for fast in (native, _batch_norm_fast):
            monkeypatch.setattr(fast, "applies", lambda x: False)


SHAPES = [(5, 3), (300, 20), (3, 2, 5), (2, 3, 4, 4), (9, 24, 6, 6), (2, 2, 1, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_it_is_pytorchs_two_functions(way, shape, training):
    """Value, gradients and running statistics, in float32 and in float64."""
    for dtype, tolerance in ((torch.float32, 2e-5), (torch.float64, 1e-12)):
        x, mean, var, weight, bias = _inputs(*shape, dtype=dtype)
        g = _normal(*shape, seed=5, dtype=dtype)
        results = []
        for function in (F.batch_norm_gelu, lambda *args, **kwargs: gelu(batch_norm(*args, **kwargs))):
            statistics = mean.clone(), var.clone()
            leaves = [t.detach().requires_grad_() for t in (x, weight, bias)]
            y = function(leaves[0], *statistics, *leaves[1:], training=training, momentum=0.3, eps=1e-3)
            results.append([y, *torch.autograd.grad(y, leaves, g), *statistics])
        torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("parameters", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("shape", [(300, 20), (9, 24, 6, 6)], ids=str)
def test_half_precision_is_rounded_once(way, training, parameters, shape):
    """y is within a rounding of the exact one, which two functions, each rounding, are not."""
    x, *others = _inputs(*shape, dtype=torch.bfloat16)
    others = [t.to(parameters) for t in others]
    with torch.no_grad():
        y = F.batch_norm_gelu(x, *(t.clone() for t in others), training=training)
        wide = [t.double() for t in (x, *others)]
        exact = gelu(batch_norm(*wide, training=training))
        twice = gelu(batch_norm(x, *others, training=training))
    assert y.dtype == torch.bfloat16
    # Where z is large and negative, Φ(z) makes much of z's last bits.
    bound = 2**-8 * exact.abs() + 2e-6
    assert ((y.double() - exact).abs() <= bound).all()
    assert not ((twice.double() - exact).abs() <= bound).all()


@pytest.mark.parametrize("shape", [(300, 20), (9, 24, 6, 6)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_evaluation_is_the_same_with_and_without_a_graph(way, shape, dtype):
    inputs = _inputs(*shape, dtype=dtype)
    y = F.batch_norm_gelu(inputs[0].requires_grad_(), *inputs[1:])
    assert y.requires_grad
    with torch.no_grad():
        alone = F.batch_norm_gelu(*inputs)
    assert alone.stride() == inputs[0].stride()
    assert not alone.requires_grad
    # A last bit of float32 may decide how bfloat16 rounds.
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(alone, y.detach(), rtol=2 * unit, atol=1e-6)


def test_running_statistics_are_untouched_in_evaluation(way):
    x, mean, var, weight, bias = _inputs(9, 24, 6, 6, dtype=torch.float32)
    before = mean.clone(), var.clone()
    with torch.no_grad():
        F.batch_norm_gelu(x, mean, var, weight, bias)
    assert torch.equal(mean, before[0])
    assert torch.equal(var, before[1])


@pytest.mark.parametrize("shape", [(300, 20), (9, 24, 6, 6)], ids=str)
def test_one_tensor_of_the_inputs_size_is_kept(way, shape):
    """The two functions, one after the other, keep two."""

    def kept(function):
        sizes = {}

        def pack(t):
            sizes[t.data_ptr()] = t.numel()
            return t

        x, mean, var, weight, bias = _inputs(*shape, dtype=torch.float32)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            y = function(x.requires_grad_(), mean, var, weight.requires_grad_(), bias.requires_grad_(), training=True)
        assert y.grad_fn is not None
        return sum(n == x.numel() for n in sizes.values()), sum(sizes.values())

    assert kept(F.batch_norm_gelu) == (1, torch.Size(shape).numel() + 4 * shape[1])
    assert kept(lambda *args, **kwargs: F.gelu(F.batch_norm(*args, **kwargs)))[0] == 2


def test_second_derivatives_and_tangents():
    x, _, _, weight, bias = (t.requires_grad_() for t in _inputs(4, 2))

    def function(x, weight, bias):
        return BatchNormGELU.apply(x, weight, bias, 1e-3)

    assert torch.autograd.gradcheck(function, (x, weight, bias), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))


def test_a_graph_that_is_recorded_gives_the_same_gradient():
    x, mean, var, weight, bias = _inputs(9, 24, 6, 6, dtype=torch.float32)
    g = _normal(*x.shape, seed=5, dtype=torch.float32)
    x.requires_grad_()
    compiled, recorded = (
        torch.autograd.grad(F.batch_norm_gelu(x, mean, var, weight, bias, True), x, g, create_graph=create)[0]
        for create in (False, True)
    )
    torch.testing.assert_close(compiled, recorded.detach(), rtol=1e-5, atol=1e-5)
    assert recorded.requires_grad


def test_saved_tensors_may_come_back_laid_out_otherwise():
    """A hook that packs may return a tensor of another layout."""
    x, _, _, weight, bias = _inputs(9, 24, 6, 6, dtype=torch.float32)
    g = _normal(*x.shape, seed=5, dtype=torch.float32)
    x.requires_grad_()
    expected = torch.autograd.grad(F.batch_norm_gelu(x, None, None, weight, bias, True), x, g)[0]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.contiguous(), lambda t: t):
        y = F.batch_norm_gelu(x, None, None, weight, bias, True)
    torch.testing.assert_close(torch.autograd.grad(y, x, g)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("args", [([1.0],), (torch.randn(3),), (torch.tensor(1.0),)], ids=["a list", "(3)", "()"])
def test_errors_are_batch_norms(args):
    with pytest.raises((TypeError, IndexError, RuntimeError, ValueError)) as expected:
        F.batch_norm(*args, None, None, training=True)
    with pytest.raises(expected.type, match=r"batch_norm|value per channel"):
        F.batch_norm_gelu(*args, None, None, training=True)


@pytest.mark.parametrize(("dtype", "told"), [(torch.long, "must be floating"), (torch.complex64, "for real numbers")])
def test_types_that_have_no_gelu_are_refused(dtype, told):
    with pytest.raises(NotImplementedError, match=f"batch_norm.*{told}"):
        F.batch_norm_gelu(torch.ones(4, 3, dtype=dtype), None, None, training=True)


def test_an_empty_row_stays_one_as_with_batch_norm():
    assert F.batch_norm_gelu(torch.empty(0), None, None, training=True).shape == (0,)


def test_the_module_is_a_batch_norm_with_gelu_after_it():
    ours, theirs, twin = nn.BatchNormGELU(24), torch.nn.BatchNorm2d(24), reference.nn.BatchNormGELU(24)
    for module in (ours, twin):
        module.load_state_dict(theirs.state_dict())
    for shape in ((9, 24, 6, 6), (7, 24, 3, 3)):
        x = _normal(*shape, dtype=torch.float32)
        for y in (ours(x), twin(x)):
            torch.testing.assert_close(y, gelu(theirs(x)) if y is not None else y, rtol=1e-5, atol=1e-5)
            theirs.load_state_dict(ours.state_dict())
    for module in (ours, twin, theirs):
        module.eval()
    torch.testing.assert_close(ours(x), gelu(theirs(x)), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="2D"):
        ours(torch.randn(24))

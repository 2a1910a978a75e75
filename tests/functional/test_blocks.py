"""What the specs cannot say of batch normalisation with an activation: the one rounding, what is kept, the module."""

from dataclasses import dataclass

import pytest
import torch
from torch.nn.functional import batch_norm, gelu, relu

from manualnet import functional as F
from manualnet import nn, reference
from manualnet.functional._function import Function
from manualnet.functional.blocks import _normalised
from manualnet.functional.blocks.batch_norm_gelu import BatchNormGELU
from manualnet.functional.blocks.batch_norm_relu import BatchNormReLU
from manualnet.functional.layers import _batch_norm_fast
from manualnet.native import batch_norm as native


@dataclass(frozen=True)
class Block:
    name: str
    rule: type[Function]
    activation: object

    def __call__(self, *args, **kwargs):
        return getattr(F, self.name)(*args, **kwargs)

    def apart(self, *args, **kwargs):
        """PyTorch's two functions, one after the other."""
        return self.activation(batch_norm(*args, **kwargs))


GELU = Block("batch_norm_gelu", BatchNormGELU, gelu)
BLOCKS = [GELU, Block("batch_norm_relu", BatchNormReLU, relu)]
each_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)


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
        monkeypatch.setattr(native, "_laid", lambda x: (x, None))
        monkeypatch.setattr(_batch_norm_fast, "applies", lambda x: False)


SHAPES = [(5, 3), (300, 20), (3, 2, 5), (2, 3, 4, 4), (9, 24, 6, 6), (2, 2, 1, 2, 3)]


@each_block
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_it_is_pytorchs_two_functions(way, block, shape, training):
    """Value, gradients and running statistics, in float32 and in float64."""
    for dtype, tolerance in ((torch.float32, 2e-5), (torch.float64, 1e-12)):
        x, mean, var, weight, bias = _inputs(*shape, dtype=dtype)
        g = _normal(*shape, seed=5, dtype=dtype)
        results = []
        for function in (block, block.apart):
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


@each_block
@pytest.mark.parametrize("shape", [(300, 20), (9, 24, 6, 6)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_evaluation_is_the_same_with_and_without_a_graph(way, block, shape, dtype):
    inputs = _inputs(*shape, dtype=dtype)
    y = block(inputs[0].requires_grad_(), *inputs[1:])
    assert y.requires_grad
    with torch.no_grad():
        alone = block(*inputs)
    assert alone.stride() == inputs[0].stride()
    assert not alone.requires_grad
    # A last bit of float32 may decide how bfloat16 rounds.
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(alone, y.detach(), rtol=2 * unit, atol=1e-6)


@each_block
def test_gradients_that_are_compiled_in_evaluation_are_not_computed_again(monkeypatch, block):
    x, mean, var, weight, bias = _inputs(300, 20, dtype=torch.float32)
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    y = block(x, mean, var, weight, bias)
    made = [torch.full_like(t, i) for i, t in enumerate(leaves)]
    monkeypatch.setattr(_normalised.native, "backward", lambda *args: made)
    for grad, given in zip(torch.autograd.grad(y.sum(), leaves), made, strict=True):
        assert torch.equal(grad, given)


@each_block
def test_evaluation_of_what_is_not_in_memory_as_it_is_read(block):
    x, *rest = _inputs(300, 20, dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(block(torch._neg_view(-x), *rest), block(x, *rest))


@each_block
def test_running_statistics_are_untouched_in_evaluation(way, block):
    x, mean, var, weight, bias = _inputs(9, 24, 6, 6, dtype=torch.float32)
    before = mean.clone(), var.clone()
    with torch.no_grad():
        block(x, mean, var, weight, bias)
    assert torch.equal(mean, before[0])
    assert torch.equal(var, before[1])


@each_block
@pytest.mark.parametrize("shape", [(300, 20), (9, 24, 6, 6)], ids=str)
def test_one_tensor_of_the_inputs_size_is_kept(way, block, shape):
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

    assert kept(block) == (1, torch.Size(shape).numel() + 4 * shape[1])
    activation = getattr(F, block.activation.__name__)
    assert kept(lambda *args, **kwargs: activation(F.batch_norm(*args, **kwargs)))[0] == 2


@each_block
def test_second_derivatives_and_tangents(block):
    x, _, _, weight, bias = (t.requires_grad_() for t in _inputs(4, 2))

    def function(x, weight, bias):
        return block.rule.apply(x, weight, bias, 1e-3)

    assert torch.autograd.gradcheck(function, (x, weight, bias), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))


@each_block
def test_a_graph_that_is_recorded_gives_the_same_gradient(block):
    x, mean, var, weight, bias = _inputs(9, 24, 6, 6, dtype=torch.float32)
    g = _normal(*x.shape, seed=5, dtype=torch.float32)
    x.requires_grad_()
    compiled, recorded = (
        torch.autograd.grad(block(x, mean, var, weight, bias, True), x, g, create_graph=create)[0]
        for create in (False, True)
    )
    torch.testing.assert_close(compiled, recorded.detach(), rtol=1e-5, atol=1e-5)
    assert recorded.requires_grad


@each_block
def test_saved_tensors_may_come_back_laid_out_otherwise(block):
    """A hook that packs may return a tensor of another layout."""
    x, _, _, weight, bias = _inputs(9, 24, 6, 6, dtype=torch.float32)
    g = _normal(*x.shape, seed=5, dtype=torch.float32)
    x.requires_grad_()
    expected = torch.autograd.grad(block(x, None, None, weight, bias, True), x, g)[0]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.contiguous(), lambda t: t):
        y = block(x, None, None, weight, bias, True)
    torch.testing.assert_close(torch.autograd.grad(y, x, g)[0], expected, rtol=1e-5, atol=1e-5)


@each_block
@pytest.mark.parametrize("args", [([1.0],), (torch.randn(3),), (torch.tensor(1.0),)], ids=["a list", "(3)", "()"])
def test_errors_are_batch_norms(block, args):
    with pytest.raises((TypeError, IndexError, RuntimeError, ValueError)) as expected:
        F.batch_norm(*args, None, None, training=True)
    with pytest.raises(expected.type, match=r"batch_norm|value per channel"):
        block(*args, None, None, training=True)


@each_block
@pytest.mark.parametrize(("dtype", "told"), [(torch.long, "must be floating"), (torch.complex64, "for real numbers")])
def test_types_that_are_not_normalised_are_refused(block, dtype, told):
    name = block.name if dtype.is_complex else "batch_norm"
    with pytest.raises(NotImplementedError, match=f"^{name}: .*{told}"):
        block(torch.ones(4, 3, dtype=dtype), None, None, training=True)


@each_block
def test_an_empty_row_stays_one_as_with_batch_norm(block):
    assert block(torch.empty(0), None, None, training=True).shape == (0,)


@each_block
def test_the_module_is_a_batch_norm_with_the_activation_after_it(block):
    name = f"BatchNorm{'GELU' if block is GELU else 'ReLU'}"
    ours, theirs, twin = getattr(nn, name)(24), torch.nn.BatchNorm2d(24), getattr(reference.nn, name)(24)
    for module in (ours, twin):
        module.load_state_dict(theirs.state_dict())
    for shape in ((9, 24, 6, 6), (7, 24, 3, 3)):
        x = _normal(*shape, dtype=torch.float32)
        for y in (ours(x), twin(x)):
            torch.testing.assert_close(y, block.activation(theirs(x)), rtol=1e-5, atol=1e-5)
            theirs.load_state_dict(ours.state_dict())
    for module in (ours, twin, theirs):
        module.eval()
    torch.testing.assert_close(ours(x), block.activation(theirs(x)), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="2D"):
        ours(torch.randn(24))


def test_an_infinite_cotangent_does_not_pass_where_relu_is_flat(way):
    x, g = torch.arange(300.0).reshape(100, 3).requires_grad_(), torch.zeros(100, 3)
    y = F.batch_norm_relu(x, None, None, training=True)
    g[y.detach() == 0] = torch.inf
    assert torch.autograd.grad(y, x, g)[0].eq(0).all()

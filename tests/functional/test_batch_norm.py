"""What the spec cannot say of batch normalisation: running statistics, types, errors and compositions."""

from itertools import product

import pytest
import torch
from torch.nn.functional import batch_norm as pytorchs

from manualnet import functional as F

SEED = 20240122


def _inputs(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(SEED)
    c = shape[1]
    x = 3 * torch.randn(shape, generator=generator, dtype=torch.float64) + 5
    weight, bias, mean = (torch.randn(c, generator=generator, dtype=torch.float64) for _ in range(3))
    var = torch.rand(c, generator=generator, dtype=torch.float64) + 0.5
    return [t.to(dtype) for t in (x, mean, var, weight, bias)]


@pytest.mark.parametrize("shape", [(2, 3), (4, 3), (3, 2, 5), (2, 3, 4, 4)])
@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_running_statistics_move_as_in_pytorch(shape, momentum, dtype):
    x, mean, var, weight, bias = _inputs(*shape, dtype=dtype)
    ours, theirs = (mean.clone(), var.clone()), (mean.clone(), var.clone())
    F.batch_norm(x, *ours, weight, bias, True, momentum)
    pytorchs(x, *theirs, weight, bias, True, momentum)
    torch.testing.assert_close(ours, theirs)
    before = [t.clone() for t in ours]
    F.batch_norm(x, *ours, weight, bias, False, momentum)
    F.batch_norm(x[:0], *ours, weight, bias, True, momentum)
    assert all(torch.equal(a, b) for a, b in zip(ours, before, strict=True))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_running_statistics_of_half_precision_are_rounded_once(half):
    x, mean, var, *_ = _inputs(8, 300, dtype=half)
    moved = mean.clone()
    F.batch_norm(x, moved, var.clone(), None, None, True, 0.3)
    assert torch.equal(moved, (0.7 * mean.float() + 0.3 * x.float().mean(0)).to(half))


def test_running_statistics_carry_no_derivative():
    x, mean, var, weight, bias = _inputs(4, 3)
    F.batch_norm(x.requires_grad_(), mean, var, weight.requires_grad_(), bias, True)
    assert not mean.requires_grad
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), torch.ones_like(x))
        F.batch_norm(dual, mean, var, None, None, True)
        assert torch.autograd.forward_ad.unpack_dual(mean).tangent is None


@pytest.mark.parametrize("transform", [torch.func.grad, lambda f: lambda x: torch.func.jvp(f, (x,), (x,))[1]])
def test_transforms_may_capture_the_running_statistics(transform):
    x, mean, var, weight, bias = _inputs(4, 3)
    ours, theirs = (mean.clone(), var.clone()), (mean.clone(), var.clone())
    a = transform(lambda x: F.batch_norm(x, *ours, weight, bias, True).pow(3).sum())(x)
    b = transform(lambda x: pytorchs(x, *theirs, weight, bias, True).pow(3).sum())(x)
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(ours, theirs)


def test_vmap_refuses_to_write_a_batch_into_one_buffer():
    x, mean, var, *_ = _inputs(4, 3)
    with pytest.raises(RuntimeError, match="vmap"):
        torch.func.vmap(lambda x: F.batch_norm(x, mean, var, training=True))(torch.stack([x, x]))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("parameters", ["half", "float32"])
def test_half_precision_is_as_accurate_as_pytorch(training, half, parameters):
    tensors = [t.to(half) for t in _inputs(8, 3, 4, 4)]
    cotangent = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(1)).to(half)

    def run(function, dtype, parameter_dtype):
        x, mean, var, weight, bias = (t.to(dtype if i == 0 else parameter_dtype) for i, t in enumerate(tensors))
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        y = function(leaves[0], mean, var, *leaves[1:], training)
        return [y.detach(), *torch.autograd.grad(y, leaves, cotangent.to(dtype))]

    parameter_dtype = half if parameters == "half" else torch.float32
    exact = run(pytorchs, torch.float64, torch.float64)
    ours, theirs = run(F.batch_norm, half, parameter_dtype), run(pytorchs, half, parameter_dtype)
    for a, b, e in zip(ours, theirs, exact, strict=True):
        assert a.dtype == b.dtype
        ulp = e.abs().max() * torch.finfo(half).eps
        assert (a.double() - e).abs().max() <= 2 * (b.double() - e).abs().max() + ulp


def test_channels_last_is_kept():
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = F.batch_norm(x, None, None, training=True)
    (grad,) = torch.autograd.grad(y.square().sum(), x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert grad.is_contiguous(memory_format=torch.channels_last)


def test_a_large_mean_does_not_drown_the_gradient():
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(SEED)) + 1e4
    g = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))

    def grad(function, x, g):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(function(x, None, None, training=True), x, g)[0].double()

    exact = grad(pytorchs, x.double(), g.double())
    ours, theirs = (grad(f, x, g) - exact for f in (F.batch_norm, pytorchs))
    assert ours.abs().max() <= 2 * theirs.abs().max() + 1e-6


X, M, V = torch.randn(4, 3), torch.zeros(3), torch.ones(3)
ERRORS = {
    "a lone value": (torch.randn(1, 3), M, V, None, None, True),
    "a lone value of an image": (torch.randn(1, 3, 1, 1), None, None, None, None, True),
    "eps 0 in training": (X, M, V, None, None, True, 0.1, 0.0),
    "eps negative": (X, M, V, None, None, False, 0.1, -1.0),
    "no statistics": (X, None, None),
    "one statistic": (X, M, None, None, None, True),
    "size of the weight": (X, M, V, torch.ones(4)),
    "size of the bias": (X, M, V, None, torch.ones(2), True),
    "size of the mean": (X, torch.zeros(4), V),
    "integers": (X.long(), M, V),
    "types": (X.double(), M, V, V, V, True),
    "half parameters of a single input": (X, M, V, V.bfloat16(), V.bfloat16(), True),
    "mixed statistics": (X.bfloat16(), M, V, V.bfloat16(), V.bfloat16()),
    "statistics with a gradient": (X, M.clone().requires_grad_(), V),
    "no channel axis": (torch.randn(3), None, None, None, None, True),
    "no channel axis in evaluation": (torch.randn(3), torch.zeros(0), torch.zeros(0)),
    "a lone number": (torch.tensor(1.0), None, None, None, None, True),
    "a lone value without a channel axis": (torch.randn(1), None, None, None, None, True),
    "an example without channels": (torch.randn(1, 0), None, None, None, None, True),
    "no tensor": ([1.0], M, V),
    "momentum None": (X, M, V, None, None, True, None),
}


@pytest.mark.parametrize("args", ERRORS.values(), ids=ERRORS)
def test_errors_have_pytorchs_type(args):
    with pytest.raises(Exception) as expected:  # noqa: PT011
        pytorchs(*args)
    with pytest.raises(expected.type):
        F.batch_norm(*args)


@pytest.mark.parametrize("x", [torch.randn(3), torch.tensor(1.0)])
def test_the_shape_is_named_where_the_channel_axis_is_missing(x):
    with pytest.raises(IndexError, match=r"must be \(N, C"):
        F.batch_norm(x, None, None, training=True)


def _type(function, *args):
    try:
        return function(*args).dtype
    except Exception as error:
        return type(error)


FLOATING = [torch.float64, torch.float32, torch.bfloat16]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtypes", list(product(FLOATING, [None, *FLOATING], [None, *FLOATING])), ids=str)
def test_types_are_refused_as_in_pytorch(dtypes, training):
    x, *others = (None if dtype is None else torch.ones(3, dtype=dtype) for dtype in dtypes)
    args = [a for a in others for _ in range(2)]
    assert _type(F.batch_norm, x.expand(4, 3), *args, training) == _type(pytorchs, x.expand(4, 3), *args, training)


def test_statistics_may_require_a_gradient_where_none_is_taken():
    with torch.no_grad():
        y = F.batch_norm(X, M.clone().requires_grad_(), V)
    assert torch.equal(y, F.batch_norm(X, M, V))


@pytest.mark.parametrize("training", [True, False])
def test_nothing_at_all_is_allowed_as_in_pytorch(training):
    args = (torch.zeros(0), torch.zeros(0), torch.zeros(0), None, None, training)
    assert F.batch_norm(*args).shape == pytorchs(*args).shape == (0,)


def test_complex_is_refused():
    with pytest.raises(NotImplementedError, match="real"):
        F.batch_norm(X + 0j, None, None, training=True)


def test_compiles_whole_and_moves_the_statistics():
    x, mean, var, weight, bias = _inputs(4, 3)
    ours, theirs = (mean.clone(), var.clone()), (mean.clone(), var.clone())
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    compiled = torch.compile(
        lambda x, w, b: F.batch_norm(x, *ours, w, b, True).pow(3).sum(), fullgraph=True, backend="aot_eager"
    )
    grads = torch.autograd.grad(compiled(*leaves), leaves)
    expected = torch.autograd.grad(pytorchs(x, *theirs, weight, bias, True).pow(3).sum(), leaves)
    torch.testing.assert_close(grads, expected)
    torch.testing.assert_close(ours, theirs)


def test_hessian_and_per_example_gradients():
    x, _, _, weight, bias = _inputs(3, 2)

    def loss(function, x, weight):
        return function(x, None, None, weight, bias, True).pow(3).sum()

    torch.testing.assert_close(
        torch.func.hessian(lambda x: loss(F.batch_norm, x, weight))(x),
        torch.func.hessian(lambda x: loss(pytorchs, x, weight))(x),
    )
    xs, weights = torch.stack([x, 2 * x + 1, x.exp()]), torch.stack([weight, -weight, weight + 1])
    for in_dims in ((0, 0), (0, None), (None, 0)):
        args = (xs if in_dims[0] == 0 else x, weights if in_dims[1] == 0 else weight)
        ours, theirs = (
            torch.func.vmap(torch.func.grad(lambda x, w, f=f: loss(f, x, w), argnums=(0, 1)), in_dims)(*args)
            for f in (F.batch_norm, pytorchs)
        )
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("examples", [1, 3])
def test_batch_statistics_are_outputs_with_a_gradient(examples):
    from manualnet.functional.layers.batch_norm import BatchNormTraining

    x, _, _, weight, bias = (t.requires_grad_() for t in _inputs(examples, 2))

    def function(x, weight, bias):
        return BatchNormTraining.apply(x, weight, bias, 1e-3)

    assert torch.autograd.gradcheck(function, (x, weight, bias), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))


@pytest.mark.parametrize("missing", ["running_mean", "running_var"])
@pytest.mark.parametrize("function", [F.batch_norm, F.batch_norm_gelu, F.batch_norm_relu])
def test_evaluation_needs_both_statistics(function, missing):
    statistics = {"running_mean": torch.zeros(3), "running_var": torch.ones(3)} | {missing: None}
    with pytest.raises(RuntimeError, match=f"^{missing} must be defined in evaluation mode$"):
        function(torch.ones(4, 3), **statistics)


def test_the_tensor_of_another_type_is_named():
    weight = torch.ones(3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"weight must have the input's type torch\.float32"):
        F.batch_norm(torch.ones(4, 3), torch.zeros(3), torch.ones(3), weight, training=True)

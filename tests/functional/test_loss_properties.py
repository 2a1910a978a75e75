"""What every loss holds beside its values: strides, precision, autocast, transforms, what is saved, older arguments."""

import math
from itertools import product

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import tensor

from manualnet import functional, reference
from manualnet.handwritten import foreign_nodes

PYTORCHS = "binary_cross_entropy binary_cross_entropy_with_logits cross_entropy l1_loss mse_loss nll_loss".split()
CLASSED = ["cross_entropy", "nll_loss"]
EVERY = ["hinge_loss", "squared_error", "triplet_loss", *PYTORCHS]
HALVES = [torch.float16, torch.bfloat16]


def _both(name):
    return getattr(functional, name), getattr(reference.functional, name)


def _value_and_gradients(function, *inputs, cotangent=None, **kwargs):
    """The floating inputs are differentiated."""
    inputs = [t.detach().clone().requires_grad_(t.is_floating_point()) for t in inputs]
    y = function(*inputs, **kwargs)
    wanted = [t for t in inputs if t.requires_grad]
    return y.detach(), *torch.autograd.grad(y, wanted, torch.ones_like(y) if cotangent is None else cotangent)


def _arguments(name, dtype=torch.float64, *, rows=5, classes=4):
    """An input within the domain and a target, both with a gradient where PyTorch gives one."""
    generator = torch.Generator().manual_seed(7)
    x, t = (torch.randn(rows, classes, generator=generator, dtype=torch.float64) for _ in range(2))
    if name == "binary_cross_entropy":
        x = x.sigmoid()
    if name.startswith("binary"):
        t = t.sigmoid()
    if name in (*CLASSED, "hinge_loss"):
        t = torch.randint(classes, (rows,), generator=generator)
    if name == "triplet_loss":
        return x.to(dtype), t.to(dtype), (x - t).to(dtype)
    return x.to(dtype), t.to(dtype) if t.is_floating_point() else t


@pytest.mark.parametrize("name", EVERY)
def test_the_cotangent_may_have_any_strides(name):
    args = _arguments(name)
    kwargs = {} if name == "squared_error" else {"reduction": "none"}
    shape = getattr(functional, name)(*args, **kwargs).shape
    cotangents = [
        torch.ones(()).double().expand(shape),
        torch.rand(shape[::-1], dtype=torch.float64).permute(tuple(range(len(shape)))[::-1]),
    ]
    for cotangent in cotangents:
        results = [_value_and_gradients(f, *args, cotangent=cotangent, **kwargs) for f in _both(name)]
        torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["hinge_loss", "l1_loss", "triplet_loss"])
def test_a_kinked_loss_has_a_second_derivative_of_0(name):
    args = [t.requires_grad_(t.is_floating_point()) for t in _arguments(name)]
    (grad,) = torch.autograd.grad(getattr(functional, name)(*args), args[0], create_graph=True)
    (second,) = torch.autograd.grad(grad.square().sum(), args[0])
    assert second.eq(0).all()


def _assert_as_accurate(actual, theirs, exact):
    for a, t, e in zip(actual, theirs, exact, strict=True):
        assert a.dtype == t.dtype
        ulp = torch.finfo(a.dtype).eps * e.abs().max()
        assert (a - e).abs().max() <= 2 * (t - e).abs().max() + ulp


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", ["hinge_loss", "triplet_loss", "squared_error", *PYTORCHS])
def test_low_precision_is_as_accurate_as_pytorchs(name, reduction, dtype):
    args = _arguments(name, dtype, rows=64, classes=50)
    kwargs = {} if name == "squared_error" else {"reduction": reduction}
    if name in ("hinge_loss", "triplet_loss"):
        kwargs["margin"] = 20.0  # so that rounding decides no comparison
    results = [_value_and_gradients(f, *args, **kwargs) for f in _both(name)]
    exact = [t.double() if t.is_floating_point() else t for t in args]
    _assert_as_accurate(*results, _value_and_gradients(getattr(reference.functional, name), *exact, **kwargs))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(
    ("name", "argument"),
    [
        *[(name, None) for name in EVERY],
        *[(name, "weight") for name in PYTORCHS],
        ("binary_cross_entropy_with_logits", "pos_weight"),
    ],
)
def test_low_precision_is_float32_rounded_once(name, argument, dtype):
    args = _arguments(name, dtype)
    weights = {}
    if argument:
        shape = (5, 4) if name in ("mse_loss", "l1_loss") else (4,)
        weights = {argument: torch.linspace(0.03, 2.9, math.prod(shape)).reshape(shape).to(dtype)}
    rounded = _value_and_gradients(getattr(functional, name), *args, **weights)
    args, weights = (
        [t.float() if t.is_floating_point() else t for t in args],
        {k: w.float() for k, w in weights.items()},
    )
    exact = _value_and_gradients(getattr(functional, name), *args, **weights)
    torch.testing.assert_close(rounded, tuple(t.to(dtype) for t in exact), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("cross_entropy", {"label_smoothing": 0.1}),
        ("nll_loss", {}),
        ("binary_cross_entropy", {}),
        ("binary_cross_entropy_with_logits", {}),
        ("binary_cross_entropy_with_logits", {"as": "pos_weight"}),
    ],
)
def test_low_precision_with_weights_is_as_accurate_as_pytorchs(name, kwargs, dtype):
    args = _arguments(name, dtype, rows=64)
    kwargs = dict(kwargs)
    argument = kwargs.pop("as", "weight")
    weight = tensor([0.3, 1.7, 2.9, 0.011]).to(dtype)
    results = [_value_and_gradients(f, *args, **kwargs, **{argument: weight}) for f in _both(name)]
    exact = [t.double() if t.is_floating_point() else t for t in args]
    theirs = getattr(reference.functional, name)
    _assert_as_accurate(*results, _value_and_gradients(theirs, *exact, **kwargs, **{argument: weight.double()}))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", PYTORCHS)
def test_autocast_gives_pytorchs_types(name, dtype):
    args = _arguments(name, dtype)
    calls = [(args, {})]
    if name in ("mse_loss", "l1_loss"):
        calls.append((args, {"weight": args[1].detach().abs()}))
    if name == "cross_entropy":
        calls.append(((args[0], args[0].softmax(1)), {}))
    for inputs, kwargs in calls:
        results = []
        for function in _both(name):
            with torch.autocast("cpu"):
                results.append(_value_and_gradients(function, *inputs, **kwargs))
        assert [t.dtype for t in results[0]] == [t.dtype for t in results[1]]
        torch.testing.assert_close(*results, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("name", ["hinge_loss", "squared_error", "triplet_loss"])
def test_autocast_computes_the_lectures_losses_in_float32(name):
    args = [t.requires_grad_(t.is_floating_point()) for t in _arguments(name, torch.bfloat16)]
    with torch.autocast("cpu"):
        loss = getattr(functional, name)(*args)
    loss.backward()
    assert loss.dtype == torch.float32
    assert args[0].grad.dtype == torch.bfloat16
    assert foreign_nodes(loss) == []


@pytest.mark.parametrize("name", EVERY)
def test_only_inputs_and_small_outputs_are_saved(name):
    args = [t.requires_grad_(t.is_floating_point()) for t in _arguments(name)]
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        getattr(functional, name)(*args)
    own = {t.data_ptr() for t in args}
    assert saved
    assert all(t.data_ptr() in own for t in saved)


@pytest.mark.parametrize("name", EVERY)
def test_per_example_gradients(name):
    args = _arguments(name)
    ours, theirs = (torch.vmap(torch.func.grad(f), randomness="error")(*args) for f in _both(name))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_hessian_equals_the_twins(name):
    x, *rest = _arguments(name)
    ours, theirs = (torch.func.hessian(lambda x, f=f: f(x, *rest))(x) for f in _both(name))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    forward = torch.func.jacrev(torch.func.jacfwd(lambda x: getattr(functional, name)(x, *rest)))(x)
    torch.testing.assert_close(forward, theirs, rtol=1e-10, atol=1e-12)


def test_vmap_over_scores_targets_and_weights():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 5, 3, generator=generator, dtype=torch.float64)
    target = torch.randint(3, (6, 5), generator=generator)
    weight = torch.rand(6, 3, generator=generator, dtype=torch.float64)
    target[2, 1] = -100
    for name in CLASSED:
        losses = [torch.vmap(torch.func.grad_and_value(f))(x, target, weight) for f in _both(name)]
        torch.testing.assert_close(*losses, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_compiles_as_one_graph(name):
    args = [t.requires_grad_(t.is_floating_point()) for t in _arguments(name)]
    function = getattr(functional, name)
    expected = _value_and_gradients(function, *args)
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(_value_and_gradients(compiled, *args), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_meta_tensors_give_shapes_alone(name):
    args = [t.to("meta").requires_grad_(t.is_floating_point()) for t in _arguments(name)]
    loss = getattr(functional, name)(*args)
    loss.backward()
    assert loss.shape == ()
    assert args[0].grad.shape == args[0].shape


@pytest.mark.parametrize("name", PYTORCHS)
@pytest.mark.parametrize("legacy", list(product([None, True, False], repeat=2))[1:])
def test_older_arguments_are_pytorchs(name, legacy):
    args = _arguments(name)
    results = []
    for function in _both(name):
        with pytest.warns(UserWarning, match="size_average and reduce"):
            results.append(function(*args, size_average=legacy[0], reduce=legacy[1]))
    torch.testing.assert_close(*results, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", PYTORCHS)
def test_an_older_name_of_the_mean_still_works(name):
    args = _arguments(name)
    with pytest.warns(UserWarning, match="elementwise_mean"):
        result = getattr(functional, name)(*args, reduction="elementwise_mean")
    assert result == getattr(functional, name)(*args)


@pytest.mark.parametrize("name", [*CLASSED, "binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_a_constant_weight_that_moves_is_an_error(name):
    """In backward and in forward mode, where PyTorch would leave its part out."""
    args = _arguments(name)
    weight = torch.ones(4, dtype=torch.float64)
    with torch.no_grad():
        getattr(functional, name)(*args, weight.clone().requires_grad_())
    with pytest.raises(RuntimeError, match="weight"):
        getattr(functional, name)(*args, weight.clone().requires_grad_())
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match="weight"):
        getattr(functional, name)(*args, forward_ad.make_dual(weight, weight))


@pytest.mark.parametrize("name", EVERY)
def test_complex_numbers_are_refused(name):
    args = [t.to(torch.complex64) if t.is_floating_point() else t for t in _arguments(name)]
    with pytest.raises(NotImplementedError, match="real and the imaginary part"):
        getattr(functional, name)(*args)

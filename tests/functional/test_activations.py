"""What the activations' specs cannot say: the lecture's numbers, half precision, errors, in-place, transforms."""

import warnings

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from manualnet import functional, reference

INF, NAN = float("inf"), float("nan")

# One call of each function of a single floating tensor.
CALLS = [
    ("elu", {}),
    ("elu", {"alpha": 0.5}),
    ("elu", {"alpha": -1.5}),
    ("gelu", {}),
    ("gelu", {"approximate": "tanh"}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.1}),
    ("leaky_relu", {"negative_slope": 0.0}),
    ("leaky_relu", {"negative_slope": -1.5}),
    ("log_softmax", {"dim": -1}),
    ("relu", {}),
    ("sigmoid", {}),
    ("softmax", {"dim": -1}),
    ("step", {}),
    ("tanh", {}),
]
IDS = ["-".join([name, *(f"{k}={v}" for k, v in kwargs.items())]) for name, kwargs in CALLS]
each_call = pytest.mark.parametrize(("name", "kwargs"), CALLS, ids=IDS)


def _both(name):
    return getattr(functional, name), getattr(reference.functional, name)


def _value_and_gradients(function, *inputs, cotangent=None, **kwargs):
    inputs = [t.detach().clone().requires_grad_() for t in inputs]
    y = function(*inputs, **kwargs)
    return y.detach(), *torch.autograd.grad(y, inputs, torch.ones_like(y) if cotangent is None else cotangent)


def _outcome(function, *args, **kwargs):
    """The type of what is raised, or the result."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize(
    ("name", "kwargs", "x", "value", "slope"),
    [
        pytest.param("sigmoid", {}, 0.0, 0.5, 0.25, id="S4 at 0"),
        pytest.param("sigmoid", {}, 2.0, 0.880797, 0.104994, id="S4 at 2"),
        pytest.param("tanh", {}, 1.0, 0.761594, 0.419974, id="S7"),
        pytest.param("relu", {}, 2.0, 2.0, 1.0, id="S8 above"),
        pytest.param("relu", {}, -2.0, 0.0, 0.0, id="S8 below"),
        pytest.param("relu", {}, 0.0, 0.0, 0.0, id="S8 at 0"),
        pytest.param("leaky_relu", {"negative_slope": 0.1}, 2.0, 2.0, 1.0, id="S9 above"),
        pytest.param("leaky_relu", {"negative_slope": 0.1}, -2.0, -0.2, 0.1, id="S9 below"),
        pytest.param("leaky_relu", {}, -2.0, -0.02, 0.01, id="S9 PyTorch's slope"),
        pytest.param("elu", {}, -1.0, -0.632121, 0.367879, id="S12 below"),
        pytest.param("elu", {}, 1000.0, 1000.0, 1.0, id="S12 far above"),
        pytest.param("step", {}, 0.1, 1.0, 0.0, id="S15 above"),
        pytest.param("step", {}, 0.0, 0.0, 0.0, id="S15 at 0"),
        pytest.param("step", {}, -0.1, 0.0, 0.0, id="S15 below"),
    ],
)
def test_numbers_of_the_lecture(name, kwargs, x, value, slope):
    y, grad = _value_and_gradients(getattr(functional, name), torch.tensor(x, dtype=torch.float64), **kwargs)
    assert y.item() == pytest.approx(value, abs=5e-7)
    assert grad.item() == pytest.approx(slope, abs=5e-7)


def test_tanh_does_not_overflow_where_the_lectures_formula_does():
    """S7."""
    x = torch.tensor([1000.0])
    assert ((x.exp() - (-x).exp()) / (x.exp() + (-x).exp())).isnan()
    assert functional.tanh(x).tolist() == [1.0]


def test_softmax_is_stable():
    """S5."""
    scores = torch.tensor([1000.0, 0.0], requires_grad=True)
    p = functional.softmax(scores, dim=0)
    (grad,) = torch.autograd.grad(p[0], scores)
    assert p.tolist() == [1.0, 0.0]
    assert grad.tolist() == [0.0, 0.0]


def test_softmax_of_the_lectures_scores():
    """S33: the row of the cat."""
    scores = torch.tensor([3.2, 5.1, -1.7], dtype=torch.float64)
    assert functional.softmax(scores, 0).tolist() == pytest.approx([0.129983, 0.869050, 0.000968], abs=5e-7)
    loss, grad = _value_and_gradients(lambda s: -functional.log_softmax(s, 0)[0], scores)
    assert loss.item() == pytest.approx(2.040355, abs=5e-7)
    assert grad.tolist() == pytest.approx([-0.870017, 0.869050, 0.000968], abs=5e-7)


def test_prelu_is_no_maximum_for_a_slope_above_one():
    """S10: a = 2, x = -1 gives -2, where max(ax, x) would give -1; the gradient of a sums x over x ≤ 0."""
    x, a = torch.tensor([-1.0, -3.0, 4.0]), torch.tensor([2.0])
    y, grad_x, grad_a = _value_and_gradients(functional.prelu, x, a)
    assert y.tolist() == [-2.0, -6.0, 4.0]
    assert grad_x.tolist() == [2.0, 2.0, 1.0]
    assert grad_a.tolist() == [-4.0]


@pytest.mark.parametrize(("share", "slope"), [(0.0, 0.0), (0.1, 0.1)], ids=["ReLU", "leaky ReLU"])
def test_maxout_contains_relu_and_leaky_relu(share, slope):
    """S11: w₁ = 0 and b = 0, or w₁ = 0.1 w₂."""
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((7, 4), (3, 4)))
    y, grad_x, grad_w = _value_and_gradients(lambda x, w: functional.maxout(x, torch.stack([share * w, w])), x, w)
    expected = _value_and_gradients(lambda x, w: torch.nn.functional.leaky_relu(x @ w.T, slope), x, w)
    torch.testing.assert_close((y, grad_x, grad_w), expected, rtol=0, atol=1e-12)


def test_a_tie_of_many_maxout_pieces_is_counted_once():
    """S11: 300 equal pieces, more than a byte can number."""
    x, weight, bias = torch.ones(1, 2), torch.ones(300, 1, 2), torch.zeros(300, 1)
    y, grad_x, grad_weight, grad_bias = _value_and_gradients(functional.maxout, x, weight, bias)
    assert y.item() == 2.0
    assert grad_x.tolist() == [[1.0, 1.0]]
    assert grad_bias.flatten().tolist() == [1.0] + [0.0] * 299
    assert grad_weight.sum().item() == 2.0


def test_the_last_of_256_maxout_pieces_can_win():
    weight = torch.zeros(256, 1, 1)
    weight[-1] = 1
    _, grad_x, grad_weight = _value_and_gradients(functional.maxout, torch.ones(1), weight)
    assert grad_x.item() == 1.0
    assert grad_weight.flatten().tolist() == [0.0] * 255 + [1.0]


def test_maxout_computes_only_the_gradients_asked_for():
    class Products(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += "mm" in func.name()
            return func(*args, **(kwargs or {}))

    x, weight = torch.randn(3, 4, requires_grad=True), torch.randn(2, 5, 4, requires_grad=True)
    for inputs in ((x, weight.detach()), (x.detach(), weight)):
        y = functional.maxout(*inputs)
        with Products() as products:
            y.sum().backward()
        assert products.count == 1


@each_call
def test_special_values_are_pytorchs(name, kwargs):
    ours, theirs = _both(name)
    x = torch.tensor([NAN, INF, -INF, 0.0, -0.0, 1e-45, -1e-45, 3.0], dtype=torch.float32)
    rows = x.unsqueeze(-1) if "dim" not in kwargs else torch.stack([x, x.nan_to_num(0, 5, -5), x.nan_to_num(1)])
    torch.testing.assert_close(
        _value_and_gradients(ours, rows, **kwargs),
        _value_and_gradients(theirs, rows, **kwargs),
        equal_nan=True,
    )


@pytest.mark.parametrize("weight", [0.25, 0.0, -1.5])
def test_special_values_of_prelu_are_pytorchs(weight):
    x, a = torch.tensor([NAN, INF, -INF, 0.0, -0.0, 3.0]), torch.tensor([weight])
    for rows in (x, x[3:]):
        ours = _value_and_gradients(functional.prelu, rows, a)
        torch.testing.assert_close(ours, _value_and_gradients(torch.prelu, rows, a), equal_nan=True)


@each_call
def test_second_derivative_is_finite_far_out(name, kwargs):
    x = torch.tensor([-1e4, -100.0, -1.0, 1.0, 100.0, 1e4], requires_grad=True)
    (grad,) = torch.autograd.grad(getattr(functional, name)(x, **kwargs).sum(), x, create_graph=True)
    if grad.requires_grad:
        assert torch.autograd.grad(grad.sum(), x)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_call
def test_half_precision_is_finite_far_out(name, kwargs, dtype):
    x = torch.tensor([-1e4, -300.0, -20.0, 0.0, 20.0, 300.0, 1e4], dtype=dtype)
    assert all(t.isfinite().all() for t in _value_and_gradients(getattr(functional, name), x, **kwargs))


def _assert_as_accurate(actual, theirs, exact):
    for a, t, e in zip(actual, theirs, exact, strict=True):
        assert a.dtype == t.dtype
        ulp = torch.finfo(a.dtype).eps * e.abs().max()
        assert (a - e).abs().max() <= 2 * (t - e).abs().max() + ulp


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_call
def test_half_precision_is_as_accurate_as_pytorchs(name, kwargs, dtype):
    ours, theirs = _both(name)
    generator = torch.Generator().manual_seed(3)
    x = (3 * torch.randn(64, 50, generator=generator)).to(dtype)
    cotangent = torch.randn(64, 50, generator=generator).to(dtype)
    results = [_value_and_gradients(f, x, cotangent=cotangent, **kwargs) for f in (ours, theirs)]
    _assert_as_accurate(*results, _value_and_gradients(theirs, x.double(), cotangent=cotangent.double(), **kwargs))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["prelu", "maxout"])
def test_half_precision_of_parameters_is_as_accurate_as_pytorchs(name, dtype):
    ours, theirs = _both(name)
    generator = torch.Generator().manual_seed(3)
    shapes = {"prelu": ((64, 7, 5), (7,)), "maxout": ((64, 6), (2, 3, 6), (2, 3))}[name]
    inputs = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    cotangent = torch.randn(ours(*inputs).shape, generator=generator).to(dtype)
    results = [_value_and_gradients(f, *inputs, cotangent=cotangent) for f in (ours, theirs)]
    exact = _value_and_gradients(theirs, *[t.double() for t in inputs], cotangent=cotangent.double())
    _assert_as_accurate(*results, exact)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
@each_call
def test_integers_give_what_pytorch_gives(name, kwargs, dtype):
    ours, theirs = (_outcome(f, torch.tensor([[0, 1, 1]]).to(dtype), **kwargs) for f in _both(name))
    if name == "step":  # its twin is built on relu, which takes no bool
        theirs = torch.tensor([[0, 1, 1]]).to(dtype)
    if isinstance(theirs, type):
        assert ours is theirs
    else:
        torch.testing.assert_close(ours, theirs)


@each_call
def test_complex_numbers_are_refused(name, kwargs):
    with pytest.raises(NotImplementedError, match=f"{name}: .*real numbers"):
        getattr(functional, name)(torch.ones(2, dtype=torch.complex64), **kwargs)


X = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("relu", ("a",), {}),
        ("elu", (X, None), {}),
        ("elu", (X, "a"), {}),
        ("leaky_relu", (X, "a"), {}),
        ("leaky_relu", (X, 1j), {}),
        ("gelu", (X, "tanh"), {}),
        ("gelu", (X,), {"approximate": "sigmoid"}),
        ("gelu", (X,), {"approximate": None}),
        ("softmax", (X, 2), {}),
        ("softmax", (X, "a"), {}),
        ("softmax", ("a", 0), {}),
        ("softmax", (X[0, 0], 1), {}),
        ("softmax", (X, 0), {"dtype": torch.int64}),
        ("log_softmax", (X, -3), {}),
        ("log_softmax", (X, 0), {"dtype": torch.int64}),
        ("prelu", (X, torch.ones(2)), {}),
        ("prelu", (X, torch.ones(0)), {}),
        ("prelu", (X, torch.ones(1, 1)), {}),
        ("prelu", (X[0], torch.ones(3)), {}),
        ("prelu", (X[0, 0], torch.ones(2)), {}),
        ("prelu", (X, torch.ones(3).half()), {}),
        ("prelu", (X.long(), torch.ones(3)), {}),
        ("prelu", (X.long(), torch.ones(3).long()), {}),
        ("prelu", (X, 0.2), {}),
        ("prelu", ("a", "b"), {}),
    ],
)
def test_errors_are_of_pytorchs_type(name, args, kwargs):
    theirs = _outcome(getattr(reference.functional, name), *args, **kwargs)
    assert isinstance(theirs, type)
    with pytest.raises(theirs):
        getattr(functional, name)(*args, **kwargs)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (2, 5, 4), (2, 5)), "x must be"),
        (((), (2, 5, 4), (2, 5)), "x must be"),
        (((2, 4), (5, 4), (5,)), "weight"),
        (((2, 4), (0, 5, 4), (0, 5)), "a piece at least"),
        (((2, 4), (2, 5, 4), (5,)), "bias must be"),
    ],
)
def test_maxout_names_the_shape_that_does_not_fit(shapes, message):
    with pytest.raises(ValueError, match=message):
        functional.maxout(*[torch.zeros(shape) for shape in shapes])


INPLACE = [("relu", {}), ("leaky_relu", {"negative_slope": 0.1}), ("elu", {"alpha": 0.5})]


@pytest.mark.parametrize(("name", "kwargs"), INPLACE)
def test_inplace_overwrites_its_input_and_keeps_its_gradient(name, kwargs):
    ours, theirs = _both(name)
    leaf = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    x = leaf * 1
    y = ours(x, inplace=True, **kwargs)
    assert y is x
    (grad,) = torch.autograd.grad(y.sum(), leaf)
    torch.testing.assert_close((y.detach(), grad), _value_and_gradients(theirs, leaf, **kwargs), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "kwargs"), INPLACE)
def test_inplace_on_a_leaf_is_an_error(name, kwargs):
    for function in _both(name):
        with pytest.raises(RuntimeError, match="leaf"):
            function(torch.ones(2, requires_grad=True), inplace=True, **kwargs)


def test_inplace_with_a_negative_slope_has_no_gradient():
    for function in _both("leaky_relu"):
        leaf = torch.ones(2, requires_grad=True)
        y = function(leaf * 1, -0.5, inplace=True)
        with pytest.raises(RuntimeError):
            y.sum().backward()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh", "softmax"])
def test_output_alone_is_saved(name):
    x = torch.randn(3, 4, requires_grad=True)
    y = getattr(functional, name)(x, **({"dim": 1} if name == "softmax" else {}))
    (saved,) = y.grad_fn.saved_tensors
    assert saved.data_ptr() == y.data_ptr()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_dimension_left_out_is_pytorchs_with_its_warning(name, shape):
    x = torch.randn(shape)
    results = []
    for function in _both(name):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results.append((function(x), [(w.category, str(w.message), w.filename, w.lineno) for w in caught]))
    (value, warned), (expected, expected_warned) = results
    torch.testing.assert_close(value, expected)
    assert warned == expected_warned
    assert warned[0][2] == __file__


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_dtype_casts_first_and_the_gradient_back(name):
    ours, theirs = _both(name)
    x = torch.randn(3, 4).bfloat16()
    actual, expected = (_value_and_gradients(f, x, dim=1, dtype=torch.float32) for f in (ours, theirs))
    assert actual[0].dtype == torch.float32
    assert actual[1].dtype == torch.bfloat16
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_autocast_gives_pytorchs_types(dtype):
    x, weight = torch.randn(2, 3, dtype=dtype, requires_grad=True), torch.randn(3, dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        for name, kwargs in CALLS:
            ours, theirs = _both(name)
            assert ours(x, **kwargs).dtype == theirs(x, **kwargs).dtype, name
        results = [f(x, weight) for f in _both("prelu")]
        maxout = functional.maxout(x, torch.randn(2, 4, 3, dtype=dtype), torch.randn(2, 4, dtype=dtype))
        linear = torch.nn.functional.linear(x, torch.randn(4, 3, dtype=dtype))
    assert results[0].dtype == results[1].dtype
    assert maxout.dtype == linear.dtype
    grads = torch.autograd.grad(results[0].sum() + maxout.sum(), (x, weight))
    assert [g.dtype for g in grads] == [dtype, dtype]


def _arguments(name, kwargs):
    generator = torch.Generator().manual_seed(5)
    shapes = {"prelu": ((3, 4), (4,)), "maxout": ((3, 4), (2, 5, 4), (2, 5))}.get(name, ((3, 4),))
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


TRANSFORMED = [*CALLS, ("prelu", {}), ("maxout", {})]
each_transformed = pytest.mark.parametrize(("name", "kwargs"), TRANSFORMED, ids=[*IDS, "prelu", "maxout"])


@each_transformed
def test_hessian_and_gradients_per_example_are_the_twins(name, kwargs):
    x, *parameters = _arguments(name, kwargs)
    results = []
    for function in _both(name):

        def loss(x, *parameters, function=function):
            return (function(x, *parameters, **kwargs) ** 3).sum()

        everything = tuple(range(1 + len(parameters)))
        results.append(
            (
                torch.func.hessian(loss, everything)(x, *parameters),
                torch.func.vmap(torch.func.grad(loss, everything), (0, *[None] * len(parameters)))(
                    x.unsqueeze(1), *parameters
                ),
                torch.func.jacfwd(torch.func.jacrev(loss))(x, *parameters),
            )
        )
    torch.testing.assert_close(*results, rtol=0, atol=1e-10)


@each_transformed
def test_compiles_in_one_graph(name, kwargs):
    inputs = _arguments(name, kwargs)
    function = getattr(functional, name)
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        _value_and_gradients(compiled, *inputs, **kwargs), _value_and_gradients(function, *inputs, **kwargs)
    )


@pytest.mark.parametrize(("name", "kwargs"), INPLACE)
def test_inplace_compiles_in_one_graph(name, kwargs):
    def function(x):
        return getattr(functional, name)(x * 1, inplace=True, **kwargs)

    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    x = torch.tensor([-2.0, 0.0, 3.0])
    torch.testing.assert_close(_value_and_gradients(compiled, x), _value_and_gradients(function, x))

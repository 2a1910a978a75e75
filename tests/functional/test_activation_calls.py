"""How the activations are called: types, errors, in-place, autocast, transforms, the compiler."""

import warnings

import pytest
import torch

from manualnet import functional, reference
from manualnet.specs import activations

# Every function of a single tensor, with every set of options that its spec names.
CALLS = [
    (spec.name, sample.kwargs)
    for spec in activations.SPECS
    for sample in spec.extremes()
    if len(sample.inputs) == 1 and sample.label.startswith("±1e4")
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


@pytest.mark.parametrize(("name", "shapes"), [("prelu", [(2,), (1,)]), ("maxout", [(2,), (3, 1, 2), (3, 1)])])
def test_complex_parameters_are_refused(name, shapes):
    for place in range(len(shapes)):
        inputs = [torch.ones(shape, dtype=torch.complex64 if i == place else None) for i, shape in enumerate(shapes)]
        with pytest.raises(NotImplementedError, match=f"{name}: .*real numbers"):
            getattr(functional, name)(*inputs)


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


def _saved(name, **kwargs):
    x = torch.randn(3, 4, requires_grad=True)
    y = getattr(functional, name)(x, **kwargs)
    (saved,) = y.grad_fn.saved_tensors
    return x.data_ptr(), y.data_ptr(), saved.data_ptr()


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [("relu", {}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.0}), ("tanh", {}), ("softmax", {"dim": 1})],
)
def test_output_alone_is_saved(name, kwargs):
    _, y, saved = _saved(name, **kwargs)
    assert saved == y


@pytest.mark.parametrize(("name", "kwargs"), [("elu", {}), ("gelu", {}), ("leaky_relu", {"negative_slope": -0.5})])
def test_input_alone_is_saved_and_no_copy(name, kwargs):
    x, _, saved = _saved(name, **kwargs)
    assert saved == x


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


def test_dimension_left_out_compiles_in_one_graph():
    torch.compiler.reset()
    x = torch.randn(2, 3)
    compiled = torch.compile(functional.softmax, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), functional.softmax(x, 1))


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

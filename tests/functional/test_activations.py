"""What the activations' specs cannot say: the lecture's numbers, special values, half precision."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from manualnet import functional, reference
from manualnet.specs import activations

INF, NAN = float("inf"), float("nan")

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


@pytest.mark.parametrize("pieces", [256, 257])
def test_the_last_of_many_maxout_pieces_can_win(pieces):
    weight = torch.zeros(pieces, 1, 1)
    weight[-1] = 1
    _, grad_x, grad_weight = _value_and_gradients(functional.maxout, torch.ones(1), weight)
    assert grad_x.item() == 1.0
    assert grad_weight.flatten().tolist() == [0.0] * (pieces - 1) + [1.0]


def test_maxout_saves_a_byte_an_output_where_one_can_number_the_pieces():
    y = functional.maxout(torch.ones(1), torch.zeros(256, 1, 1, requires_grad=True))
    assert y.grad_fn.saved_tensors[-1].dtype == torch.uint8


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


@pytest.mark.parametrize("slopes", [1, 2])
def test_an_infinite_cotangent_of_prelu_at_0_is_pytorchs(slopes):
    x, a = torch.zeros(3, 2), torch.full((slopes,), 0.25)
    results = [
        _value_and_gradients(f, x, a, cotangent=torch.full_like(x, INF)) for f in (functional.prelu, torch.prelu)
    ]
    torch.testing.assert_close(*results, equal_nan=True)


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

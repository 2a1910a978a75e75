"""Numerical gradients: their numbers, their errors, what they cost, and what they leave alone."""

import math

import pytest
import torch

from manualnet import functional as F
from manualnet import numeric

D = torch.float64
METHODS = pytest.mark.parametrize("method", numeric.METHODS)


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args):
        self.calls += 1
        return self.function(*args)


def test_s38_steps_of_the_lecture_give_its_slopes():
    losses = {0: 1.25322, 1: 1.25353, 2: 1.25347}

    def loss(w):
        moved = (w != 0).nonzero().flatten().tolist()
        return losses[moved[0]] if moved else 1.25347

    slopes = numeric.gradient(loss, torch.zeros(3, dtype=D), method="forward", h=1e-4)
    torch.testing.assert_close(slopes, torch.tensor([-2.5, 0.6, 0.0], dtype=D), rtol=0, atol=1e-9)


def test_s39_evaluations_of_the_classifier_on_cifar_pictures():
    x, target = torch.linspace(0, 1, 3072), torch.tensor(3)
    W = torch.zeros(10, 3072)
    loss = Counted(lambda w: F.hinge_loss(F.linear(x, w).double(), target))  # or round-off would be 1e-3 of the slopes
    slopes = numeric.gradient(loss, W, method="forward")
    assert loss.calls == 30_721
    exact = W.clone().requires_grad_()
    F.hinge_loss(F.linear(x, exact), target).backward()
    torch.testing.assert_close(slopes, exact.grad, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("method", "evaluations"), [("forward", 11), ("central", 20)])
def test_evaluations(method, evaluations):
    f = Counted(lambda a, b: (a.sum() * b).sum())
    numeric.gradient(f, torch.ones(2, 3), torch.ones(4), method=method)
    assert f.calls == evaluations


@METHODS
@pytest.mark.parametrize(("dtype", "worth"), [(torch.float32, {"forward": 2e-3, "central": 2e-4}), (D, {})])
def test_default_steps_reach_the_accuracy_they_promise(method, dtype, worth):
    x = torch.linspace(-2, 3, 11, dtype=dtype)
    slopes = numeric.gradient(lambda x: F.sigmoid(x).sum(), x, method=method)
    bound = worth.get(method, {"forward": 1e-7, "central": 1e-9}[method])
    torch.testing.assert_close(slopes.double(), F.sigmoid(x.double()) * F.sigmoid(-x.double()), rtol=0, atol=bound)
    assert slopes.dtype is dtype


@pytest.mark.parametrize("dtype", [torch.float32, D])
@METHODS
def test_a_large_number_is_moved_by_more_than_its_spacing(method, dtype):
    x = torch.tensor([1e6, -3e7, 0.0], dtype=dtype)
    slopes = numeric.gradient(lambda x: (2 * x).sum(), x[:1], method=method)
    torch.testing.assert_close(slopes, torch.tensor([2.0], dtype=dtype), rtol=1e-3, atol=0)
    assert numeric.gradient(lambda x: x[1] / 1e7, x, method=method)[1] == pytest.approx(1e-7, rel=1e-3)


def test_the_step_that_was_taken_is_the_one_divided_by():
    # 1 + 1e-4 is 1.00010002 in float32: divided by 1e-4 the slope of x would be 1.00017
    slope = numeric.gradient(lambda x: x, torch.tensor(1.0), method="forward", h=1e-4)
    assert slope.item() == 1.0


@pytest.mark.parametrize(("method", "order"), [("forward", 1), ("central", 2)])
def test_s37_error_falls_with_the_order_of_the_formula(method, order):
    x, exact = torch.tensor(0.7, dtype=D), math.exp(0.7)
    steps = 1e-1, 1e-2, 1e-3
    errors = [abs(numeric.gradient(torch.exp, x, method=method, h=h).item() - exact) for h in steps]
    # The error terms themselves: h f''/2 and h² f'''/6, and every derivative of exp is exp.
    for h, error in zip(steps, errors, strict=True):
        assert error == pytest.approx({1: h / 2, 2: h**2 / 6}[order] * exact, rel=h)


@METHODS
def test_default_step_is_near_the_best(method):
    x, exact = torch.tensor(0.7, dtype=D), math.exp(0.7)

    def error(h):
        # The worst of several places: at one, round-off may vanish by luck.
        places = x + torch.linspace(0, 0.01, 20, dtype=D)
        slopes = numeric.gradient(lambda p: p.exp().sum(), places, method=method, h=h)
        return ((slopes - places.exp()) / exact).abs().max().item()

    h = numeric.step(D, method)
    assert error(h) < min(error(100 * h), error(h / 100))


def test_kinks_have_the_mean_of_both_sides_or_the_right_one():
    x = torch.zeros(1, dtype=D)
    assert numeric.gradient(lambda x: F.relu(x).sum(), x).item() == 0.5
    assert numeric.gradient(lambda x: F.relu(x).sum(), x, method="forward").item() == 1.0


def test_one_input_gives_a_tensor_several_a_tuple():
    a, b = torch.tensor([1.0, 2.0], dtype=D), torch.tensor(3.0, dtype=torch.float32)
    assert isinstance(numeric.gradient(lambda a: a.sum(), a), torch.Tensor)
    grad_a, grad_b = numeric.gradient(lambda a, b: (a * a).sum() * b, a, b)
    assert (grad_a.dtype, grad_b.dtype, grad_b.shape) == (D, torch.float32, torch.Size([]))
    torch.testing.assert_close(grad_a, torch.tensor([6.0, 12.0], dtype=D))
    assert grad_b.item() == pytest.approx(5.0, rel=1e-4)


def test_the_same_tensor_twice_gives_each_place_its_own():
    x = torch.tensor(3.0, dtype=D)
    assert [g.item() for g in numeric.gradient(lambda a, b: a * b * b, x, x)] == pytest.approx([9.0, 18.0])


INPUTS = {
    "contiguous": torch.arange(6.0, dtype=D).reshape(2, 3),
    "transposed": torch.arange(6.0, dtype=D).reshape(3, 2).t(),
    "sliced": torch.arange(12.0, dtype=D)[::2].reshape(2, 3),
    "expanded": torch.arange(3.0, dtype=D).expand(2, 3),
    "channels last": torch.arange(48.0, dtype=D).reshape(2, 3, 4, 2).to(memory_format=torch.channels_last),
    "single": torch.tensor(2.0, dtype=D),
    "empty": torch.ones(0, 3, dtype=D),
    "requires grad": torch.arange(6.0, dtype=D).requires_grad_(),
    "parameter": torch.nn.Parameter(torch.arange(6.0, dtype=D)),
    "inside a graph": torch.arange(6.0, dtype=D).requires_grad_() * 2,
}


@METHODS
@pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS)
def test_inputs_of_every_kind_are_left_alone(x, method):
    before, version = x.detach().clone(), x._version
    slopes = numeric.gradient(lambda x: (x * x).sum(), x, method=method)
    assert slopes.shape == x.shape
    assert not slopes.requires_grad
    torch.testing.assert_close(slopes, 2 * before, rtol=0, atol=1e-5)
    assert torch.equal(x.detach(), before)
    assert x._version == version
    assert not x.is_leaf or x.grad is None


@METHODS
def test_a_function_that_writes_to_its_input_spoils_nothing(method):
    x = torch.tensor([1.0, 2.0], dtype=D)
    slopes = numeric.gradient(lambda x: x.mul_(x).sum(), x, method=method)
    torch.testing.assert_close(slopes, torch.tensor([2.0, 4.0], dtype=D))
    assert x.tolist() == [1.0, 2.0]


def test_every_function_of_manualnet_has_its_numeric_slope():
    x, w, b = (torch.linspace(-1, 2, n, dtype=D) for n in (8, 12, 3))
    x, w = x.reshape(2, 4).requires_grad_(), w.reshape(3, 4).requires_grad_()
    b.requires_grad_()

    def loss(x, w, b):
        return F.cross_entropy(F.tanh(F.linear(x, w, b)), torch.tensor([0, 2]))

    loss(x, w, b).backward()
    for slopes, t in zip(numeric.gradient(loss, x, w, b), (x, w, b), strict=True):
        torch.testing.assert_close(slopes, t.grad, rtol=0, atol=1e-9)


def test_a_function_that_autograd_cannot_follow():
    x = torch.tensor([0.5, 2.0], dtype=D)
    torch.testing.assert_close(numeric.gradient(lambda x: math.sin(x[0].item()) + 0.0, x)[0].item(), math.cos(0.5))
    assert numeric.gradient(lambda x: int(x.sum() > 2), x).tolist() == [0.0, 0.0]
    assert numeric.gradient(lambda x: (x > 1).sum(), x).tolist() == [0.0, 0.0]


def test_one_element_of_any_shape_is_a_number():
    x = torch.tensor([[3.0]], dtype=D)
    assert numeric.gradient(lambda x: x * x, x).item() == pytest.approx(6.0)


def test_a_number_that_is_none_gives_none():
    slopes = numeric.gradient(lambda x: x.sum(), torch.tensor([math.inf, math.nan], dtype=D))
    assert slopes.isnan().all()


@METHODS
def test_jacobian(method):
    x = torch.tensor([[0.1, -0.3, 0.7], [1.0, 0.0, -1.0]], dtype=D)
    y = torch.tensor(2.0, dtype=D)

    def f(x, y):
        return F.softmax(x, dim=1) * y

    found = numeric.jacobian(f, x, y, method=method)
    exact = torch.autograd.functional.jacobian(f, (x, y))
    for a, e in zip(found, exact, strict=True):
        torch.testing.assert_close(a, e, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("x", "shape"), [(torch.ones(0), (2, 0)), (torch.ones(3), (2, 3)), (torch.ones(()), (2,))])
def test_jacobian_of_empty_and_single_inputs(x, shape):
    jacobian = numeric.jacobian(lambda x: torch.stack([x.sum(), 2 * x.sum()]), x)
    assert (jacobian.shape, jacobian.dtype) == (shape, torch.float32)


def test_jacobian_of_an_empty_result():
    assert numeric.jacobian(lambda x: x[:0], torch.ones(3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: numeric.gradient(lambda x: x, torch.ones(3)), RuntimeError, "scalar output.*shape .3,.*jacobian"),
        (lambda: numeric.gradient(lambda x: x[:0], torch.ones(3)), RuntimeError, "scalar output"),
        (lambda: numeric.gradient(torch.sum, torch.arange(3)), TypeError, "input 0 is of torch.int64"),
        (lambda: numeric.gradient(torch.sum, torch.ones(2) > 0), TypeError, "torch.bool"),
        (lambda: numeric.gradient(torch.sum, torch.ones(2) * 1j), TypeError, "complex64"),
        (lambda: numeric.gradient(lambda x, y: x, torch.ones(()), 2.0), TypeError, "input 1 is of float"),
        (lambda: numeric.gradient(lambda: 1.0), ValueError, "no input"),
        (lambda: numeric.gradient(lambda x: None, torch.ones(1)), TypeError, "returns nothing"),
        (lambda: numeric.gradient(lambda x: (x, x), torch.ones(1)), TypeError, "returns a tuple"),
        (lambda: numeric.gradient(lambda x: x.sum() * 1j, torch.ones(1)), TypeError, "complex"),
        (lambda: numeric.gradient(torch.sum, torch.ones(1), method="backward"), ValueError, "'forward' or 'central'"),
        (lambda: numeric.gradient(torch.sum, torch.ones(1), h=0.0), ValueError, "positive"),
        (lambda: numeric.gradient(torch.sum, torch.ones(1), h=-1e-4), ValueError, "positive"),
        (lambda: numeric.gradient(torch.sum, torch.ones(1), h=math.nan), ValueError, "positive"),
        (lambda: numeric.gradient(torch.sum, torch.tensor([1e6]), h=1e-4), ValueError, "changes nothing at 1e.06"),
        (lambda: numeric.jacobian(lambda x: x, torch.arange(3)), TypeError, "numeric.jacobian.*int64"),
        (lambda: numeric.step(torch.float32, "newton"), ValueError, "newton"),
    ],
)
def test_mistakes_are_told_in_one_line(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)

"""What the losses' specs cannot say: the lecture's numbers, PyTorch's errors and types, broadcasting, transforms."""

import math

import pytest
import torch
import torch.nn.functional as torch_functional
from torch import tensor

from manualnet import functional, reference

INF, NAN = float("inf"), float("nan")
SCORES = tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]], dtype=torch.float64)
TARGET = tensor([0, 1, 2])
PYTORCHS = "binary_cross_entropy binary_cross_entropy_with_logits cross_entropy l1_loss mse_loss nll_loss".split()
CLASSED = ["cross_entropy", "nll_loss"]
HALVES = [torch.float16, torch.bfloat16]


def _both(name):
    return getattr(functional, name), getattr(reference.functional, name)


def _value_and_gradients(function, *inputs, cotangent=None, **kwargs):
    """The floating inputs are differentiated."""
    inputs = [t.detach().clone().requires_grad_(t.is_floating_point()) for t in inputs]
    y = function(*inputs, **kwargs)
    wanted = [t for t in inputs if t.requires_grad]
    return y.detach(), *torch.autograd.grad(y, wanted, torch.ones_like(y) if cotangent is None else cotangent)


def test_hinge_of_the_lecture():
    """S23 to S26: the losses, their mean, and its gradient with the 1/3."""
    losses, grad = _value_and_gradients(functional.hinge_loss, SCORES, TARGET, reduction="none")
    assert losses.tolist() == pytest.approx([2.9, 0.0, 12.9], abs=5e-7)
    rows = tensor([[-1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, -2.0]], dtype=torch.float64)
    assert torch.equal(grad, rows)
    mean, grad = _value_and_gradients(functional.hinge_loss, SCORES, TARGET)
    assert mean.item() == pytest.approx(5.266667, abs=5e-7)
    torch.testing.assert_close(grad, rows / 3)


def test_doubled_scores_keep_the_cars_hinge_at_0():
    """S27."""
    losses = functional.hinge_loss(2 * SCORES, TARGET, reduction="none")
    assert losses.tolist() == pytest.approx([4.8, 0.0, 23.8], abs=5e-7)


def test_hinge_is_not_divided_by_the_number_of_classes():
    """S24: as PyTorch's multi-margin loss is."""
    theirs = torch_functional.multi_margin_loss(SCORES, TARGET)
    torch.testing.assert_close(functional.hinge_loss(SCORES, TARGET), 3 * theirs)


def test_cross_entropy_of_the_lecture():
    """S33, S34."""
    losses, grad = _value_and_gradients(functional.cross_entropy, SCORES, TARGET, reduction="none")
    assert losses.tolist() == pytest.approx([2.040355, 0.079132, 6.156477], abs=5e-7)
    assert grad[0].tolist() == pytest.approx([-0.870017, 0.869050, 0.000968], abs=5e-7)
    mean, grad = _value_and_gradients(functional.cross_entropy, SCORES, TARGET)
    assert mean.item() == pytest.approx(2.758655, abs=5e-7)
    assert grad[0].tolist() == pytest.approx([-0.870017 / 3, 0.869050 / 3, 0.000968 / 3], abs=5e-7)
    assert functional.cross_entropy(torch.zeros(2, 10), tensor([3, 7])).item() == pytest.approx(math.log(10))


def test_nll_of_the_lectures_probabilities():
    """S33: minus the natural logarithm of .129983."""
    loss = functional.nll_loss(tensor([0.129983, 0.869050, 0.000968]).log(), tensor(0))
    assert loss.item() == pytest.approx(2.040355, abs=5e-6)


def test_triplet_of_the_lecture():
    """S35."""
    a, p, n = (tensor(v, dtype=torch.float64) for v in ([1.0, 0.0], [0.8, 0.6], [0.6, 0.8]))
    loss, *grads = _value_and_gradients(functional.triplet_loss, a, p, n, margin=0.5)
    assert loss.item() == pytest.approx(0.1, abs=5e-7)
    for grad, expected in zip(grads, ([-0.4, 0.4], [-0.4, 1.2], [0.8, -1.6]), strict=True):
        assert grad.tolist() == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("y", "error", "delta"), [(0.479684, 0.135365, -0.520316), (-0.481211, 1.096993, -1.481211)], ids=["A", "B"]
)
def test_squared_error_of_the_goldens(y, error, delta):
    """S48, S55, S56: E = ½ (y - t)² has δ = y - t, the mean squared error twice both."""
    y, t = tensor([y], dtype=torch.float64), tensor([1.0], dtype=torch.float64)
    value, grad, _ = _value_and_gradients(functional.squared_error, y, t)
    assert value.item() == pytest.approx(error, abs=1e-6)
    assert grad.item() == pytest.approx(delta, abs=1e-6)
    assert functional.mse_loss(y, t).item() == pytest.approx(2 * value.item())


@pytest.mark.parametrize("name", CLASSED)
@pytest.mark.parametrize("weight", [None, tensor([0.5, 1.0, 2.0])], ids=["plain", "weight"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_of_ignored_examples_is_nan_and_moves_nothing(name, weight, smoothing):
    kwargs = {"label_smoothing": smoothing} if name == "cross_entropy" else {}
    for function in _both(name):
        value, grad = _value_and_gradients(
            lambda x, f=function: f(x, torch.full((2,), -100), weight, **kwargs), torch.randn(2, 3)
        )
        assert value.isnan()
        assert grad.eq(0).all()


@pytest.mark.parametrize("name", CLASSED)
def test_an_ignored_example_may_hold_infinities(name):
    x = tensor([[1.0, 2.0], [-INF, 0.0], [-INF, 3.0]])
    results = [_value_and_gradients(f, x, tensor([0, -100, 1])) for f in _both(name)]
    assert results[0][0].isfinite()
    torch.testing.assert_close(*results)


def test_cross_entropy_of_impossible_classes_is_pytorchs():
    x = tensor([[1.0, -INF, 2.0], [-INF, 0.5, 0.0]])
    for target in (tensor([0, 2]), tensor([1, 2])):
        torch.testing.assert_close(*[_value_and_gradients(f, x, target) for f in _both("cross_entropy")])


@pytest.mark.parametrize("name", CLASSED)
def test_one_example_may_have_its_target_in_brackets(name):
    x = torch.randn(4, generator=torch.Generator().manual_seed(0))
    value, grad = _value_and_gradients(getattr(functional, name), x, tensor([2]))
    # PyTorch's own backward fails on this target, so it is asked without the brackets.
    torch.testing.assert_close((value, grad), _value_and_gradients(getattr(torch_functional, name), x, tensor(2)))
    assert value.shape == getattr(torch_functional, name)(x, tensor([2])).shape


def test_nll_accepts_an_image_in_any_memory_order():
    x = torch.randn(2, 5, 5, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    target = torch.randint(3, (2, 5, 5), generator=torch.Generator().manual_seed(1))
    ours = x.detach().requires_grad_()
    functional.nll_loss(ours, target).backward()
    # PyTorch's own backward wants contiguous scores.
    theirs = x.contiguous().requires_grad_()
    torch_functional.nll_loss(theirs, target).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("shape", "other"), [((3, 4), (4,)), ((3, 1), (1, 4)), ((), (3, 4)), ((2, 1, 4), (3, 1))])
@pytest.mark.parametrize("weighted", [False, True])
def test_broadcasting_warns_and_is_summed_back(name, reduction, shape, other, weighted):
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(s, generator=generator, dtype=torch.float64) for s in (shape, other)]
    if weighted:
        inputs.append(torch.rand(shape, generator=generator, dtype=torch.float64))
    results = []
    for function in _both(name):
        with pytest.warns(UserWarning, match="different to the input size") as caught:
            results.append(
                _value_and_gradients(lambda x, t, w=None, f=function: f(x, t, reduction=reduction, weight=w), *inputs)
            )
        assert caught[0].filename == __file__
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_the_rule_itself_sums_what_was_broadcast(name):
    """Asked for directly: autograd's engine would sum a gradient of the broadcast shape by itself."""
    x, t = torch.randn(3, 1, requires_grad=True), torch.randn(4, requires_grad=True)
    with pytest.warns(UserWarning, match="different to the input size"):
        loss = getattr(functional, name)(x, t)
    grad_x, grad_target, *_ = loss.grad_fn.apply(torch.ones(()))
    assert (grad_x.shape, grad_target.shape) == (x.shape, t.shape)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_what_was_broadcast_is_summed_before_it_is_rounded(name):
    """Eleven shares of 1/33, each rounded by itself, would add up to less than the 1/3 that they are."""
    x = torch.ones(3, 1, dtype=torch.bfloat16, requires_grad=True)
    target = torch.full((3, 11), 0.5, dtype=torch.bfloat16)
    with pytest.warns(UserWarning, match="different to the input size"):
        getattr(functional, name)(x, target).backward()
    assert torch.equal(x.grad, torch.full((3, 1), 1 / 3).bfloat16())


def test_the_right_class_of_one_leaves_no_rounding():
    """The right class is left out of the hinge, not subtracted again."""
    assert functional.hinge_loss(tensor([1e8, 0.0]), tensor(0)).item() == 0
    assert functional.hinge_loss(tensor([0.3, 0.3]), tensor(0), margin=0.1).item() == pytest.approx(0.1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_certain_probabilities_are_pytorchs(dtype):
    x = tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1e-30], dtype=dtype)
    t = tensor([0.0, 1.0, 1.0, 0.0, 0.5, 0.5, 1.0], dtype=dtype)
    results = [_value_and_gradients(f, x, t, reduction="none") for f in _both("binary_cross_entropy")]
    torch.testing.assert_close(*results)
    assert results[0][0].isfinite().all()
    assert results[0][2].isinf()[:6].all()


def test_float16_is_finite_where_pytorchs_kernel_divides_by_0():
    x = tensor([0.0, 1.0], dtype=torch.float16).requires_grad_()
    functional.binary_cross_entropy(x, x.detach()).backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_a_target_that_does_not_move_brings_no_infinity():
    x, t = tensor([0.0, 1.0]), tensor([0.0, 1.0])
    _, slope = torch.func.jvp(lambda x: functional.binary_cross_entropy(x, t), (x,), (torch.ones(2),))
    assert slope == 0


@pytest.mark.parametrize("name", ["l1_loss", "mse_loss"])
def test_weights_of_half_precision_do_not_shorten_the_gradient_of_floats(name):
    x, target, weight = torch.randn(3, 40).unbind()
    weight, loss = weight.bfloat16(), getattr(functional, name)
    grad = _value_and_gradients(loss, x, target, weight=weight)[1]
    exact = _value_and_gradients(loss, x.double(), target.double(), weight=weight.double())[1]
    torch.testing.assert_close(grad.double(), exact, rtol=1e-6, atol=0)

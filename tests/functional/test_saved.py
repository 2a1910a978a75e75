"""Nothing is saved or copied that no derivative needs."""

import pytest
import torch
import torch.autograd.forward_ad as forward_ad

from manualnet import functional as F
from manualnet.functional import _function
from manualnet.functional._function import Function
from manualnet.native import available

PRODUCTS = {"linear": ((4, 3), (2, 3)), "conv2d": ((2, 3, 4, 4), (5, 3, 2, 2))}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_saves_the_other_factor(name):
    x, weight = (torch.randn(shape) for shape in PRODUCTS[name])
    for needs_x, needs_weight in ((True, False), (False, True), (True, True)):
        y = getattr(F, name)(x.requires_grad_(needs_x), weight.requires_grad_(needs_weight))
        saved = y.grad_fn.saved_tensors
        assert [t is not None for t in saved] == [needs_weight, needs_x]


def test_a_pooled_convolution_saves_positions_too():
    x, weight = torch.randn(2, 3, 5, 5), torch.randn(5, 3, 2, 2)
    for needs_x, needs_weight in ((True, False), (False, True), (True, True)):
        y = F.conv2d_max_pool2d(x.requires_grad_(needs_x), weight.requires_grad_(needs_weight))
        *factors, positions = y.grad_fn.saved_tensors
        assert [t is not None for t in factors] == [needs_weight, needs_x]
        assert positions.shape == y.shape


@pytest.mark.skipif(not available(), reason="no C compiler here")
def test_positions_of_large_inputs_are_bytes():
    y = F.conv2d_max_pool2d(torch.randn(4, 3, 17, 17), torch.randn(5, 3, 2, 2, requires_grad=True))
    assert y.grad_fn.saved_tensors[2].dtype == torch.uint8


def test_padding_that_is_even_is_left_to_the_convolution():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    y = F.conv2d(x, torch.ones(1, 1, 3, 5), padding="same")
    assert y.grad_fn.next_functions[0][0].variable is x


class _Product(Function):
    """x y."""

    @staticmethod
    def forward(x, y):
        return x * y

    @staticmethod
    def setup_context(ctx, inputs, output):
        _function.save_factors(ctx, *inputs)

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return None if y is None else grad_out * y, None if x is None else grad_out * x

    @staticmethod
    def jvp(ctx, x_dot, y_dot):
        x, y = ctx.saved_tensors
        return x_dot * y + x * y_dot


@pytest.fixture
def saved(monkeypatch):
    """Which of the factors were saved, call by call."""
    calls = []

    def recorded(ctx, *factors, save=_function.save):
        calls.append(tuple(t is not None for t in factors))
        save(ctx, *factors)

    monkeypatch.setattr(_function, "save", recorded)
    return calls


def test_backward_wants_what_leads_to_an_input_with_a_gradient(saved):
    x, y = torch.ones(2), torch.ones(2)
    _Product.apply(x.clone().requires_grad_(), y)
    assert saved == [(False, True)]
    _Product.apply(x, y.clone().requires_grad_())
    assert saved[1:] == [(True, False)]
    torch.func.vmap(lambda x: _Product.apply(x, y))(torch.ones(2, 2))
    assert saved[2:] == [(False, False)]
    torch.func.grad(lambda x: _Product.apply(x, y).sum())(x)
    assert set(saved[3:]) == {(False, False), (False, True)}  # below the transform and in it


def test_forward_mode_wants_everything(saved):
    x = torch.ones(2)
    with forward_ad.dual_level():
        _Product.apply(forward_ad.make_dual(x, x), x)
    torch.func.jvp(lambda y: _Product.apply(y, x), (x,), (x,))
    assert set(saved) == {(True, True)}

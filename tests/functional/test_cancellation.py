"""Where nearly equal numbers are subtracted, what is left keeps the digits that PyTorch's keeps."""

import pytest
import torch
from torch import tensor

from manualnet import functional as F
from manualnet import reference


def _gradient(function, x, *args, cotangent=None, **kwargs):
    x = x.detach().requires_grad_()
    y = function(x, *args, **kwargs)
    return torch.autograd.grad(y, x, torch.ones_like(y) if cotangent is None else cotangent.to(y.dtype))[0]


def test_tanh_near_its_limits():
    x = torch.linspace(-8, 8, 2001)
    y = torch.tanh(x).double()
    # The slope of the y that was saved: how far that y is off is not the rule's doing.
    torch.testing.assert_close(
        _gradient(F.tanh, x).double(), (1 - y) * (1 + y), rtol=3 * torch.finfo(x.dtype).eps, atol=0
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
def test_batch_norm_of_two_almost_equal_cotangents(layout):
    """Two values a channel leave a gradient of ε / (v + ε) times half the difference of their cotangents."""
    x = tensor([-1.0, 4.0, -3.0, 5.0]).reshape(2, 2, 1, 1).expand(2, 2, 1, 1).contiguous(memory_format=layout)
    cotangent = tensor([-3.5, 700.0, -2.875, 701.0]).reshape(2, 2, 1, 1)
    settings = {"running_mean": None, "running_var": None, "training": True, "eps": 0.125}
    grad = _gradient(F.batch_norm, x, **settings, cotangent=cotangent)
    exact = _gradient(reference.functional.batch_norm, x.double(), **settings, cotangent=cotangent)
    torch.testing.assert_close(grad.double(), exact, rtol=1e-5, atol=0)


def test_the_slope_in_a_target_whose_class_hardly_counts():
    x, v = tensor([-1.75, -12.0, 3.0]), tensor([0.0, 1e-6, 0.0])

    def of_target(t):
        return F.binary_cross_entropy_with_logits(x.to(t.dtype), t, pos_weight=v.to(t.dtype), reduction="sum")

    grad, exact = _gradient(of_target, torch.ones(3)), _gradient(of_target, torch.ones(3).double())
    torch.testing.assert_close(grad.double(), exact, rtol=3 * torch.finfo(grad.dtype).eps, atol=0)


@pytest.mark.parametrize("weight", [None, tensor([1.4])])
def test_the_only_class_has_no_gradient(weight):
    x, target = tensor([[0.875], [0.25], [-1.5]]), torch.zeros(3, dtype=torch.int64)
    cotangent = tensor(-0.7)
    grad = _gradient(F.cross_entropy, x, target, weight, label_smoothing=0.125, reduction="sum", cotangent=cotangent)
    assert not grad.any()


def test_a_smoothed_mean_without_weight_is_pytorchs():
    x, target, weight = tensor([[-3.0, 0.0, -4.0]]), tensor([1]), tensor([0.0, 0.0, 2.0])
    for f in (F.cross_entropy, reference.functional.cross_entropy):
        assert f(x, target, weight, label_smoothing=0.5).isnan()

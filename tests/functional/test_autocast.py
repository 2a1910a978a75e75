"""Autocast's lists are PyTorch's, on the CPU and on a GPU."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from manualnet import functional as F
from manualnet.functional._dtypes import autocast

PYTORCHS = {
    "softmax": lambda x: torch.softmax(x, 1),
    "log_softmax": lambda x: torch.log_softmax(x, 1),
    "sum": torch.sum,
    "mean": torch.mean,
    "matmul": lambda x: torch.matmul(x, x),
    "linear": lambda x: torch.nn.functional.linear(x, x),
    "conv2d": lambda x: torch.nn.functional.conv2d(x[None, None], x[None, None]),
    "conv2d_max_pool2d": lambda x: torch.nn.functional.conv2d(x[None, None], x[None, None]),
    "prelu": lambda x: torch.prelu(x, x[0]),
    "mse_loss": lambda x: torch.nn.functional.mse_loss(x, x),
    "l1_loss": lambda x: torch.nn.functional.l1_loss(x, x),
    "nll_loss": lambda x: torch.nn.functional.nll_loss(x, torch.zeros(3, dtype=torch.int64, device=x.device)),
    "cross_entropy": lambda x: torch.nn.functional.cross_entropy(x, x),
    "binary_cross_entropy_with_logits": lambda x: torch.nn.functional.binary_cross_entropy_with_logits(x, x),
    "relu": torch.relu,
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", PYTORCHS)
def test_the_lists_are_pytorchs(name, device, dtype):
    with FakeTensorMode():  # a pretended GPU casts as a real one
        x = torch.empty(3, 3, device=device, dtype=dtype)
        before = torch.is_autocast_enabled(device)
        torch.set_autocast_enabled(device, True)  # the context manager turns itself off where there is no GPU
        try:
            (cast,) = autocast(name, x)
            assert cast.dtype == PYTORCHS[name](x).dtype
        finally:
            torch.set_autocast_enabled(device, before)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_autocast_of_another_device_changes_nothing(device):
    before = torch.is_autocast_enabled("cuda")
    torch.set_autocast_enabled("cuda", True)
    try:
        x = torch.ones(3, 3, device=device)
        assert autocast("linear", x)[0] is x
        assert F.linear(x, x).dtype == torch.float32
    finally:
        torch.set_autocast_enabled("cuda", before)


def test_a_weight_that_pytorch_uses_too_keeps_both_gradients():
    x, weight = torch.ones(2, 3), torch.ones(4, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        total = F.linear(x, weight) + torch.nn.functional.linear(x, weight)
    total.sum().backward()
    assert torch.equal(weight.grad, torch.full((4, 3), 4.0))


@pytest.mark.parametrize(
    "pool",
    [lambda x: F.avg_pool2d(x, 2), lambda x: F.avg_pool2d(x, 3, 1), lambda x: F.adaptive_avg_pool2d(x, 3)],
    ids=["windows side by side", "windows that overlap", "windows of two sizes"],
)
def test_a_device_without_autocast_needs_none(pool):
    x = torch.ones(1, 1, 4, 4, device="meta", requires_grad=True)
    (grad,) = torch.autograd.grad(pool(x).sum(), x)
    assert grad.shape == x.shape


def test_the_rule_itself_gives_a_weight_the_gradient_of_its_type():
    """Autograd would cast what is of another type, and hide it."""
    weight = torch.randn(3, 4, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = F.linear(torch.randn(2, 4), weight)
    _, grad, _ = y.grad_fn.apply(torch.ones_like(y))
    assert (y.dtype, grad.dtype) == (torch.bfloat16, torch.float32)

"""Fast paths run for plain tensors on the CPU, and for no others: there they would be slow, or disturb who records."""

import importlib

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from manualnet import functional as F

PATHS = {
    "max_pool2d": ("layers.max_pool2d", "_lay_tiles", lambda x: F.max_pool2d(x, 2), [(2, 3, 4, 4)]),
    "conv2d": ("layers.conv2d", "_grad_weight_chunked", F.conv2d, [(2, 3, 4, 4), (5, 3, 2, 2)]),
    "batch_norm": (
        "layers._batch_norm_fast",
        "backward",
        lambda x: F.batch_norm(x, None, None, training=True),
        [(2, 3, 4, 4)],
    ),
}


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    """A function, its arguments, and how often its fast path has run."""
    module, name, function, shapes = PATHS[request.param]
    module = importlib.import_module(f"manualnet.functional.{module}")
    fast, ran = getattr(module, name), []

    def counted(*args):
        ran.append(1)
        return fast(*args)

    monkeypatch.setattr(module, name, counted)
    inputs = [torch.randn(shape).to(memory_format=torch.channels_last) for shape in shapes]
    return function, inputs, ran


def _gradients(function, inputs, **kwargs):
    inputs = [x.detach().requires_grad_() for x in inputs]
    y = function(*inputs)
    return torch.autograd.grad(y, inputs, torch.ones_like(y), **kwargs)


def test_it_runs_for_plain_tensors(path):
    function, inputs, ran = path
    _gradients(function, inputs)
    assert ran == [1]


def test_it_leaves_a_graph_that_is_recorded_alone(path):
    function, inputs, ran = path
    _gradients(function, inputs, create_graph=True)
    assert ran == []


def test_it_leaves_transforms_alone(path):
    function, inputs, ran = path
    gradient = torch.func.grad(lambda *a: function(*a).sum())
    gradient(*inputs)
    torch.func.vmap(gradient)(*[torch.stack([x, x]) for x in inputs])
    assert ran == []


def test_it_leaves_batches_of_cotangents_alone(path):
    function, inputs, ran = path
    inputs = [x.requires_grad_() for x in inputs]
    y = function(*inputs)
    torch.autograd.grad(y, inputs, torch.ones(2, *y.shape), is_grads_batched=True)
    assert ran == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_leaves_other_devices_alone(path, dtype):
    function, inputs, ran = path
    _gradients(function, [x.to("meta", dtype) for x in inputs])
    assert ran == []


def test_it_leaves_tangents_alone(path):
    """Forward over reverse: backward meets dual tensors while nothing is recorded."""
    function, inputs, ran = path
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x.detach().requires_grad_(), torch.ones_like(x)) for x in inputs]
        y = function(*duals)
        torch.autograd.grad(y, duals, torch.ones_like(y))
    assert ran == []


class _Products(TorchDispatchMode):
    """Keeps how many numbers each entry of a matrix product sums."""

    def __init__(self):
        super().__init__()
        self.summed = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.mm.default:
            self.summed.append(args[0].shape[1])
        return func(*args, **(kwargs or {}))


def test_a_convolution_unfolds_a_few_pictures_at_a_time(monkeypatch):
    monkeypatch.setattr(importlib.import_module("manualnet.functional.layers.conv2d"), "_ROWS", 13)
    x, weight = torch.randn(7, 3, 3, 4), torch.randn(5, 3, 2, 3)
    with _Products() as products:
        (grad,) = _gradients(lambda w: F.conv2d(x, w), [weight])
    positions = 2 * 2
    assert products.summed == [3 * positions, 3 * positions, 1 * positions]
    expected = _gradients(lambda w: torch.nn.functional.conv2d(x, w), [weight])
    torch.testing.assert_close((grad,), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_max_pooling_is_laid_out_as_its_input(layout):
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=layout)
    (grad,) = _gradients(lambda x: F.max_pool2d(x, 2), [x])
    assert grad.is_contiguous(memory_format=layout)

"""Fast paths run for plain tensors on the CPU, and for no others: there they would be slow, or disturb who records."""

import importlib

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from manualnet import functional as F
from manualnet.native import available


def _module(name):
    return importlib.import_module(f"manualnet.{name}")


TARGET = torch.arange(40) % 10
# A function, the shapes of its arguments, and where its backward pass goes: compiled, and without a compiler.
PATHS = {
    "max_pool2d": (
        lambda x: F.max_pool2d(x, 2),
        [(2, 8, 16, 16)],
        ("native.max_pool2d", "max_pool2d_backward"),
        None,
    ),
    "conv2d 3 x 3": (
        F.conv2d,
        [(4, 64, 16, 16), (64, 64, 3, 3)],
        ("native.winograd", "conv2d_weight"),
        None,
    ),
    "conv2d": (
        F.conv2d,
        [(16, 8, 16, 16), (40, 8, 4, 4)],
        ("native.conv2d_weight", "conv2d_weight"),
        ("functional.layers._conv2d_fast", "_grad_weight_chunked"),
    ),
    "conv2d of pixels": (
        F.conv2d,
        [(4, 8, 16, 16), (40, 8, 1, 1)],
        ("native.conv2d_weight", "conv2d_weight"),
        ("functional.layers._conv2d_fast", "_grad_weight_of_pixels"),
    ),
    "conv2d, depthwise": (
        lambda x, w: F.conv2d(x, w, groups=8),
        [(4, 8, 16, 16), (8, 1, 4, 4)],
        ("native.conv2d_depthwise", "load"),
        None,
    ),
    "batch_norm": (
        lambda x: F.batch_norm(x, None, None, training=True),
        [(4, 8, 16, 16)],
        ("native.batch_norm", "backward"),
        ("functional.layers._batch_norm_fast", "backward"),
    ),
    "batch_norm_gelu, evaluation": (
        lambda x: F.batch_norm_gelu(x, torch.zeros_like(x[0, :, 0, 0]), torch.ones_like(x[0, :, 0, 0])),
        [(4, 8, 16, 16)],
        ("native.batch_norm", "backward"),
        None,
    ),
    "batch_norm, evaluation": (
        lambda x: F.batch_norm(x, torch.zeros_like(x[0, :, 0, 0]), torch.ones_like(x[0, :, 0, 0])),
        [(4, 8, 16, 16)],
        ("native.batch_norm", "backward"),
        None,
    ),
    "batch_norm_gelu": (
        lambda x: F.batch_norm_gelu(x, None, None, training=True),
        [(4, 8, 16, 16)],
        ("native.batch_norm", "backward"),
        None,
    ),
    "batch_norm_relu": (
        lambda x: F.batch_norm_relu(x, None, None, training=True),
        [(4, 8, 16, 16)],
        ("native.batch_norm", "backward"),
        None,
    ),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), [(4, 8, 16, 16)], ("native.windows", "load"), None),
    "avg_pool2d, overlapping": (
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        [(4, 8, 16, 16)],
        ("native.windows", "_library"),
        None,
    ),
    "max_pool2d, overlapping": (
        lambda x: F.max_pool2d(x, 3, 2, 1),
        [(4, 8, 16, 16)],
        ("native.max_pool2d", "max_pool2d_backward"),
        None,
    ),
    "prelu, a slope a channel": (F.prelu, [(4, 8, 16, 16), (8,)], ("native.prelu", "load"), None),
    "mul": (F.mul, [(80, 64), (64,)], ("native.product_sums", "load"), None),
    "gelu": (F.gelu, [(4, 8, 16, 16)], ("native.elementwise", "run"), None),
    "prelu": (F.prelu, [(4, 8, 16, 16), (1,)], ("native.prelu", "load"), None),
    "softmax": (lambda x: F.softmax(x, 1), [(40, 10)], ("native.softmax", "_library"), None),
    "log_softmax": (lambda x: F.log_softmax(x, 1), [(40, 10)], ("native.softmax", "_library"), None),
    "hinge_loss": (lambda x: F.hinge_loss(x, TARGET.to(x.device)), [(40, 10)], ("native.rows", "hinge_backward"), None),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, TARGET.to(x.device)),
        [(40, 10)],
        ("native.cross_entropy", "_backward"),
        None,
    ),
    "linear": (F.linear, [(512, 256), (24, 256)], ("functional.layers.linear", "linear_weight"), None),
    "triplet_loss": (
        lambda x: F.triplet_loss(x, 2 * x.detach(), -x.detach()),
        [(40, 10)],
        ("native.rows", "triplet_backward"),
        None,
    ),
    "nll_loss": (
        lambda x: F.nll_loss(x, TARGET.to(x.device)),
        [(40, 10)],
        ("native.cross_entropy", "_backward"),
        None,
    ),
}
CASES = {
    f"{name} {way}": (function, shapes, path, way)
    for name, (function, shapes, *paths) in PATHS.items()
    for path, way in zip(paths, ("compiled", "eager"), strict=True)
    if path is not None and (way == "eager" or available())
}


@pytest.fixture(params=CASES)
def path(request, monkeypatch):
    """A function, its arguments, and how often its fast path has given something."""
    function, shapes, (module, name), way = CASES[request.param]
    module, ran = _module(module), []
    fast = getattr(module, name)

    def counted(*args):
        result = fast(*args)
        if result is not None:
            ran.append(1)
        return result

    monkeypatch.setattr(module, name, counted)
    # In float32 PyTorch's product of few outputs is faster on a processor with tiles.
    monkeypatch.setattr(_module("native.linear_weight"), "multiplies_tiles", lambda: False)
    if way == "eager":
        for library in ("max_pool2d", "conv2d_weight", "batch_norm", "elementwise"):
            monkeypatch.setattr(_module(f"native.{library}"), "load", lambda *args, **kwargs: None)
    inputs = [torch.randn(shape) for shape in shapes]
    inputs = [x.to(memory_format=torch.channels_last) if x.dim() == 4 else x for x in inputs]
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
    monkeypatch.setattr(importlib.import_module("manualnet.functional.layers._conv2d_fast"), "_ROWS", 13)
    x, weight = torch.randn(7, 3, 3, 4), torch.randn(5, 3, 2, 3)
    with _Products() as products:
        (grad,) = _gradients(lambda w: F.conv2d(x, w), [weight])
    positions = 2 * 2
    assert products.summed == [3 * positions, 3 * positions, 1 * positions]
    expected = _gradients(lambda w: torch.nn.functional.conv2d(x, w), [weight])
    torch.testing.assert_close((grad,), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d])
def test_the_gradient_of_pooling_is_laid_out_as_its_input(pool, layout):
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=layout)
    (grad,) = _gradients(lambda x: pool(x, 2), [x])
    assert grad.is_contiguous(memory_format=layout)

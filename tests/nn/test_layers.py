"""Pooling, normalisation and noise as modules: state, behaviour and the graph are what torch.nn's are, by hand."""

import copy

import pytest
import torch
import torchvision

from manualnet import functional, nn, reference
from manualnet.handwritten import foreign_nodes

SEED = 20240122

PAIRS = {
    "BatchNorm1d": (lambda ns: ns.BatchNorm1d(3), (4, 3, 5)),
    "BatchNorm1d matrix": (lambda ns: ns.BatchNorm1d(3, eps=0.1, momentum=0.3), (4, 3)),
    "BatchNorm2d": (lambda ns: ns.BatchNorm2d(3), (4, 3, 5, 5)),
    "BatchNorm2d average": (lambda ns: ns.BatchNorm2d(3, momentum=None), (4, 3, 5, 5)),
    "BatchNorm2d untracked": (lambda ns: ns.BatchNorm2d(3, track_running_stats=False), (4, 3, 5, 5)),
    "BatchNorm2d without parameters": (lambda ns: ns.BatchNorm2d(3, affine=False), (4, 3, 5, 5)),
    "MaxPool2d": (lambda ns: ns.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 6, 6)),
    "AvgPool2d": (lambda ns: ns.AvgPool2d(3, 2, 1, True, False), (2, 3, 6, 6)),
    "AvgPool2d divisor": (lambda ns: ns.AvgPool2d(3, divisor_override=2), (2, 3, 6, 6)),
    "AdaptiveAvgPool2d": (lambda ns: ns.AdaptiveAvgPool2d((2, None)), (2, 3, 6, 6)),
    "StochasticPool2d": (lambda ns: ns.StochasticPool2d(2, 1, 1), (2, 3, 6, 6)),
    "Dropout": (lambda ns: ns.Dropout(0.3), (4, 5)),
    "StochasticDepth": (lambda ns: ns.StochasticDepth(0.5, "row"), (8, 5)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("make", "shape"), PAIRS.values(), ids=PAIRS)
def test_module_equals_its_twin(make, shape, training):
    ours, twin = make(nn).double(), make(reference.nn).double()
    assert repr(ours) == repr(twin)
    assert ours.state_dict().keys() == twin.state_dict().keys()
    for step in range(3):
        generator = torch.Generator().manual_seed(SEED + step)
        x = torch.rand(shape, generator=generator, dtype=torch.float64)
        results = []
        for module in (ours, twin):
            module.train(training or step == 0)
            leaf = x.clone().requires_grad_()
            torch.manual_seed(step)
            y = module(leaf)
            inputs = [leaf, *module.parameters()]
            results.append([y.detach(), *torch.autograd.grad(y.square().sum(), inputs)])
            if module is ours:
                assert foreign_nodes(y) == []
        torch.testing.assert_close(*results)
    torch.testing.assert_close(ours.state_dict(), twin.state_dict())


def test_state_moves_between_the_two():
    theirs = torch.nn.BatchNorm2d(3)
    theirs(torch.randn(4, 3, 2, 2))
    ours = nn.BatchNorm2d(3)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 2, 2)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    torch.testing.assert_close(copy.deepcopy(ours)(x), ours(x))


@pytest.mark.parametrize(
    "name", ["BatchNorm1d", "BatchNorm2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Dropout"]
)
def test_modules_are_pytorchs_too(name):
    assert issubclass(getattr(nn, name), getattr(torch.nn, name))
    assert issubclass(nn.StochasticDepth, torchvision.ops.StochasticDepth)


def test_wrong_axes_and_lone_values_are_errors():
    with pytest.raises(ValueError, match="4D"):
        nn.BatchNorm2d(3)(torch.ones(2, 3))
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm1d(3)(torch.ones(1, 3))
    assert nn.BatchNorm1d(3).eval()(torch.ones(1, 3)).shape == (1, 3)


@pytest.mark.parametrize(
    "wrap", [lambda m: m, nn.Sequential, lambda m: nn.Sequential(nn.Flatten(0, 0), nn.Sequential(m))]
)
@pytest.mark.parametrize("layer", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_sync_batch_norm_does_not_replace_ours_without_a_word(wrap, layer):
    model = wrap(layer(3))
    with pytest.raises(TypeError, match="hand-written"):
        torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert [name for name, _ in layer(3).named_children()] == []
    assert len(list(model.named_modules())) >= 1
    torch.nn.SyncBatchNorm.convert_sync_batchnorm(torch.nn.Sequential(torch.nn.BatchNorm2d(3)))


def test_update_bn_reaches_ours():
    model = nn.Sequential(nn.BatchNorm2d(3))
    data = [torch.randn(8, 3, 2, 2) + 7 for _ in range(4)]
    torch.optim.swa_utils.update_bn(data, model)
    torch.testing.assert_close(model[0].running_mean, torch.stack([x.mean((0, 2, 3)) for x in data]).mean(0))


def test_in_place_dropout():
    x = torch.ones(20)
    y = nn.Dropout(0.5, inplace=True)(x)
    assert y is x
    assert (x == 0).any()


def test_max_pooling_returns_positions():
    y, position = nn.MaxPool2d(2, return_indices=True)(torch.randn(1, 4, 4))
    assert y.shape == position.shape
    assert position.dtype == torch.int64


@pytest.mark.parametrize("shapes", [((), (2, 1)), ((3,), ()), ((), ())])
def test_linear_refuses_single_numbers_as_pytorch_does(shapes):
    for linear in (functional.linear, torch.nn.functional.linear):
        with pytest.raises(RuntimeError, match="at least 1D"):
            linear(*map(torch.ones, shapes))

"""The modules are torch.nn's with our gradients; those that torch.nn lacks have twins."""

import math

import pytest
import torch

from manualnet import nn, reference
from manualnet.handwritten import foreign_nodes

MODULES = [
    ("ELU", {}),
    ("ELU", {"alpha": 0.5}),
    ("ELU", {"inplace": True}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.1, "inplace": True}),
    ("LogSoftmax", {"dim": 1}),
    ("Maxout", {"in_features": 2, "out_features": 3}),
    ("Maxout", {"in_features": 2, "out_features": 3, "pieces": 4, "bias": False}),
    ("PReLU", {}),
    ("PReLU", {"num_parameters": 3, "init": 0.1}),
    ("ReLU", {}),
    ("ReLU", {"inplace": True}),
    ("Sigmoid", {}),
    ("Softmax", {"dim": -1}),
    ("Softmax2d", {}),
    ("Step", {}),
    ("Tanh", {}),
]
IDS = ["-".join([name, *(f"{k}={v}" for k, v in kwargs.items())]) for name, kwargs in MODULES]


@pytest.mark.parametrize(("name", "kwargs"), MODULES, ids=IDS)
def test_module_computes_what_its_twin_computes(name, kwargs):
    outcomes = []
    for namespace in (nn, reference.nn):
        torch.manual_seed(0)
        module = getattr(namespace, name)(**kwargs).double()
        x = torch.randn(2, 3, 4, 2, dtype=torch.float64, requires_grad=True)
        y = module(x * 1)
        grads = torch.autograd.grad(y, [x, *module.parameters()], torch.randn_like(y))
        outcomes.append((y.detach(), grads, module.state_dict()))
        if namespace is nn:
            assert set(foreign_nodes(y)) <= {"MulBackward0"}  # x * 1, for the sake of in-place
    torch.testing.assert_close(*outcomes, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "kwargs"), MODULES, ids=IDS)
def test_module_is_printed_like_its_twin(name, kwargs):
    ours, theirs = (getattr(namespace, name)(**kwargs) for namespace in (nn, reference.nn))
    assert repr(ours) == repr(theirs)
    if hasattr(torch.nn, name):
        assert isinstance(ours, getattr(torch.nn, name))


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_warning_names_the_line_that_calls_the_module(name):
    x = torch.randn(2, 3)
    lines = []
    for namespace in (nn, reference.nn):
        module = getattr(namespace, name)()
        with pytest.warns(UserWarning, match="Implicit dimension") as caught:
            module(x)
        lines.append((caught[0].filename, caught[0].lineno))
    assert lines[0] == lines[1]


def test_softmax2d_wants_an_image():
    for namespace in (nn, reference.nn):
        with pytest.raises(ValueError, match="Softmax2d"):
            namespace.Softmax2d()(torch.randn(2, 3))


def test_maxout_is_initialised_as_linear_is():
    torch.manual_seed(0)
    module = nn.Maxout(16, 500, pieces=3)
    assert module.weight.shape == (3, 500, 16)
    assert module.bias.shape == (3, 500)
    for parameter in module.parameters():
        assert parameter.abs().max() <= 1 / math.sqrt(16)
        assert parameter.std().item() == pytest.approx(0.25 / math.sqrt(3), rel=0.05)


def test_maxout_takes_device_and_dtype():
    module = nn.Maxout(2, 3, device="meta", dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in module.parameters()} == {("meta", torch.float64)}
    assert module(torch.zeros(5, 2, device="meta", dtype=torch.float64)).shape == (5, 3)


def test_step_units_cannot_be_trained():
    """S15: the gradient arrives, and is 0."""
    weight = torch.randn(3, 4, requires_grad=True)
    loss = (nn.Step()(torch.randn(5, 4) @ weight.T) - 1).square().sum()
    loss.backward()
    assert loss > 0
    assert weight.grad.eq(0).all()

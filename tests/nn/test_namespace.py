"""``import manualnet.nn as nn`` ports a model, and never hands out PyTorch's gradient in disguise."""

import copy
import pickle

import pytest
import torch

import manualnet.nn as nn
from manualnet import functional as F
from manualnet.handwritten import foreign_nodes

STRUCTURE = {
    "Identity",
    "Module",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
    "Unflatten",
}
CLASSES = {name: getattr(nn, name) for name in nn.__all__ if isinstance(getattr(nn, name), type)}
LAYERS = {name: cls for name, cls in CLASSES.items() if issubclass(cls, nn.Module) and name not in STRUCTURE}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_its_own_forward(name):
    layer = LAYERS[name]
    assert layer.__module__.startswith("manualnet.nn")
    theirs = getattr(torch.nn, name, None)
    if theirs is not None:
        assert issubclass(layer, theirs)
        assert any(
            vars(cls).get(method)
            for cls in layer.__mro__
            if cls.__module__.startswith("manualnet")
            for method in ("forward", "_conv_forward")
        )


@pytest.mark.parametrize("name", sorted(STRUCTURE))
def test_structure_is_pytorchs(name):
    assert getattr(nn, name) is getattr(torch.nn, name)


@pytest.mark.parametrize("name", ["LSTM", "MultiheadAttention", "SyncBatchNorm", "NoSuchLayer"])
def test_a_layer_that_is_not_written_by_hand_says_so(name):
    with pytest.raises(AttributeError, match=f"no hand-written '{name}'"):
        getattr(nn, name)
    assert not hasattr(nn, name)


def test_a_function_that_is_not_written_by_hand_says_so():
    with pytest.raises(AttributeError, match=r"no hand-written 'softplus'; torch.nn.functional.softplus exists"):
        F.softplus  # noqa: B018


def _model(nn):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.PReLU(4),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 3, groups=2, stride=2),
        nn.ELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(24, 8),
        nn.BatchNorm1d(8),
        nn.Tanh(),
        nn.Linear(8, 5),
        nn.LogSoftmax(1),
    ).double()


def test_a_ported_model_is_the_same_model():
    ours, theirs = _model(nn), _model(torch.nn)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    x = torch.randn(6, 3, 10, 10, dtype=torch.float64)
    target = torch.arange(6) % 5
    gradients = []
    for namespace, model in ((nn, ours), (torch.nn, theirs)):
        torch.manual_seed(1)
        loss = namespace.NLLLoss()(model(x), target)
        loss.backward()
        gradients.append([p.grad for p in model.parameters()])
        if model is ours:
            assert foreign_nodes(loss) == []
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    theirs.load_state_dict(ours.state_dict())
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-12)


def test_a_model_copies_and_pickles():
    model = _model(nn).eval()
    x = torch.randn(2, 3, 10, 10, dtype=torch.float64)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(model(x), other(x))


def test_gradients_can_be_clipped():
    model = nn.Linear(3, 2)
    model(torch.ones(1, 3)).sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    assert nn.utils.get_total_norm([p.grad for p in model.parameters()]).item() == pytest.approx(0.1, rel=1e-3)
    assert not hasattr(nn.utils, "weight_norm")

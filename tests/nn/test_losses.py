"""The modules are torch.nn's with our gradients; those that torch.nn lacks have twins."""

import pytest
import torch

from manualnet import nn, reference
from manualnet.handwritten import foreign_nodes

WEIGHT = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
SCORES = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]], dtype=torch.float64)
CLASSES = (SCORES, torch.tensor([0, 1, 2]))
PAIR = (SCORES, SCORES.flip(0))
PROBABILITIES = (SCORES.sigmoid(), SCORES.flip(0).sigmoid())
MODULES = [
    ("BCELoss", {}, PROBABILITIES),
    ("BCELoss", {"weight": WEIGHT, "reduction": "sum"}, PROBABILITIES),
    ("BCEWithLogitsLoss", {}, (SCORES, PROBABILITIES[1])),
    (
        "BCEWithLogitsLoss",
        {"weight": WEIGHT, "pos_weight": 2 * WEIGHT, "reduction": "none"},
        (SCORES, PROBABILITIES[1]),
    ),
    ("CrossEntropyLoss", {}, CLASSES),
    (
        "CrossEntropyLoss",
        {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1, "reduction": "sum"},
        CLASSES,
    ),
    ("CrossEntropyLoss", {}, (SCORES, PROBABILITIES[0])),
    ("HingeLoss", {}, CLASSES),
    ("HingeLoss", {"margin": 0.5, "reduction": "none"}, CLASSES),
    ("L1Loss", {}, PAIR),
    ("L1Loss", {"reduction": "sum"}, PAIR),
    ("MSELoss", {}, PAIR),
    ("MSELoss", {"reduction": "none"}, PAIR),
    ("NLLLoss", {}, CLASSES),
    ("NLLLoss", {"weight": WEIGHT, "ignore_index": 2, "reduction": "none"}, CLASSES),
    ("SquaredError", {}, PAIR),
    ("TripletLoss", {}, (*PAIR, 2 * SCORES)),
    ("TripletLoss", {"margin": 30.0, "reduction": "mean"}, (*PAIR, 2 * SCORES)),
]
each_module = pytest.mark.parametrize(("name", "kwargs", "args"), MODULES)


@each_module
def test_module_computes_what_its_twin_computes(name, kwargs, args):
    outcomes = []
    for namespace in (nn, reference.nn):
        module = getattr(namespace, name)(**kwargs)
        inputs = [t.clone().requires_grad_(t.is_floating_point()) for t in args]
        loss = module(*inputs)
        grads = torch.autograd.grad(loss, [t for t in inputs if t.requires_grad], torch.ones_like(loss))
        outcomes.append((loss.detach(), grads, module.state_dict()))
        if namespace is nn:
            assert foreign_nodes(loss) == []
    torch.testing.assert_close(*outcomes, rtol=0, atol=1e-12)


@each_module
def test_module_is_printed_like_its_twin(name, kwargs, args):
    ours, theirs = (getattr(namespace, name)(**kwargs) for namespace in (nn, reference.nn))
    assert repr(ours) == repr(theirs)
    if hasattr(torch.nn, name):
        assert isinstance(ours, getattr(torch.nn, name))


@pytest.mark.parametrize("name", ["HingeLoss", "TripletLoss"])
def test_settings_are_printed(name):
    assert repr(getattr(nn, name)(0.5, "sum")) == f"{name}(margin=0.5, reduction='sum')"


def test_older_arguments_choose_the_reduction():
    with pytest.warns(UserWarning, match="size_average and reduce"):
        module = nn.MSELoss(size_average=False)
    assert module(*PAIR) == nn.MSELoss(reduction="sum")(*PAIR)

"""No model and no source assumes a CPU; single functions are proven by the property ``device``."""

import dataclasses
import inspect

import pytest
import torch

import manualnet
from experiments.training import models, recipes
from experiments.training.objective import Objective
from manualnet.specs import SPECS

SMALL = {"width": 32, "batch_size": 4}


@pytest.mark.parametrize("model", models.MODELS)
def test_a_whole_step_on_meta(model):
    config = dataclasses.replace(recipes.recipe(model), **SMALL, dropout=0.1, penalty="l2")
    network = models.build(manualnet, config).to("meta")
    images = torch.empty(4, 3, 32, 32, device="meta")
    labels = torch.empty(4, dtype=torch.int64, device="meta")
    objective = Objective(manualnet, config)
    total = objective.total(objective(network(images), labels), objective.penalty(network))
    total.backward()
    for p in network.parameters():
        if p.requires_grad:
            assert p.grad.device.type == "meta"
            assert p.grad.shape == p.shape


def test_no_function_names_a_device():
    """Neither a CPU nor a GPU is assumed: only fast paths ask where they are."""
    for spec in SPECS.values():
        source = inspect.getsource(inspect.getmodule(spec.function))
        assert ".cuda(" not in source
        assert ".cpu(" not in source

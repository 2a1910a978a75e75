"""Nothing assumes a CPU: fake CUDA tensors walk every Function's forward and backward, a whole step runs on meta."""

import dataclasses
import inspect

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import manualnet
from experiments.training import models, recipes
from experiments.training.objective import Objective
from manualnet.handwritten import nodes
from manualnet.specs import SPECS

SMALL = {"width": 32, "batch_size": 4}


def _samples():
    for spec in SPECS.values():
        for i, sample in enumerate(spec.samples(torch.Generator().manual_seed(0))):
            yield pytest.param(spec, sample, id=f"{spec.name}-{sample.label or i}")


def _on_cuda(sample):
    """The same call with every tensor on a pretended GPU."""

    def move(a):
        if not isinstance(a, torch.Tensor):
            return a
        fake = torch.empty_strided(a.shape, a.stride(), dtype=a.dtype, device="cuda")
        return fake.requires_grad_(a.requires_grad)

    return dataclasses.replace(
        sample, args=tuple(map(move, sample.args)), kwargs={k: move(v) for k, v in sample.kwargs.items()}
    )


@pytest.mark.parametrize(("spec", "sample"), list(_samples()))
def test_every_function_stays_on_the_gpu(spec, sample):
    # The engine wants a real GPU for its streams, so the graph's nodes are called one by one.
    with FakeTensorMode(allow_non_fake_inputs=False):
        sample = _on_cuda(sample)
        y = spec.function(*sample.args, **sample.kwargs)
        assert y.device.type == "cuda"
        if y.grad_fn is None:
            return
        walked = 0
        for node in nodes(y):
            if not hasattr(node, "_forward_cls"):
                continue
            metadata = node._input_metadata
            cotangents = [torch.empty(m.shape, dtype=m.dtype, device="cuda") for m in metadata]
            with torch.no_grad():
                grads = node.apply(*cotangents)
            grads = grads if isinstance(grads, tuple) else (grads,)
            assert {g.device.type for g in grads if g is not None} <= {"cuda"}
            walked += 1
        assert walked


@pytest.mark.parametrize("model", models.MODELS)
def test_a_whole_step_on_meta(model):
    config = dataclasses.replace(recipes.recipe(model), **SMALL, dropout=0.1, penalty="l2")
    network = models.build(manualnet, config).to("meta")
    images = torch.empty(4, 3, 32, 32, device="meta")
    labels = torch.empty(4, dtype=torch.int64, device="meta")
    objective = Objective(manualnet, config)
    total = manualnet.functional.add(objective(network(images), labels), objective.penalty(network))
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

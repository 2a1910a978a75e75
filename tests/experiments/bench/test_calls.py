"""Every function can be measured, and the calls of a model are those that it makes."""

import dataclasses
import json

import pytest
import torch

from experiments.bench import calls, functions, recorded
from experiments.bench.timing import Effort
from experiments.training import recipes
from experiments.training.models import MODELS
from manualnet import functional
from manualnet.check.spec import Sample
from manualnet.specs import SPECS

ONCE = Effort(0.0, least=1, most=1, warmup=0)


@pytest.mark.parametrize(
    ("name", "manual", "twin"),
    [("relu", 4096, 4096), ("step", 0, 4096), ("sum", 0, 0), ("stochastic_pool2d", 2048, None), ("mul", 8192, 8192)],
)
def test_bytes_kept_for_backward(name, manual, twin):
    call, *_ = functions.calls(name, torch.float32, (4096,))
    measured = calls.measure(call, ONCE)
    assert measured.manual.all == manual
    assert twin is None or measured.twin.all == twin


@pytest.mark.parametrize("summed", [False, True])
def test_a_sums_cotangent_is_one_number_for_all(monkeypatch, summed):
    call = calls.Call.of("relu", Sample((torch.ones(3, 4, requires_grad=True),)), summed=summed)
    grad, strides = torch.autograd.grad, []
    monkeypatch.setattr(
        torch.autograd, "grad", lambda y, x, g, **kwargs: strides.append(g[0].stride()) or grad(y, x, g, **kwargs)
    )
    calls.measure(call, ONCE)
    assert strides[:2] == [(0, 0) if summed else (4, 1)] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", SPECS)
def test_every_function_can_be_measured(name, dtype):
    first, *_ = functions.calls(name, dtype, (4096,))
    assert (first.bytes, first.dtype) == (4096, str(dtype).removeprefix("torch."))
    assert 0.98 * 4096 <= first.sample.tensors[0].nbytes <= 4096
    record = calls.measure(first, ONCE).record()
    assert list(record["ratio"]) == ["forward", "backward", "total"]
    assert all(record["manual"][phase]["median"] > 0 for phase in record["manual"])
    json.dumps(record)


def test_specs_large_calls_are_measured_in_the_type_asked_for():
    labelled = [c for c in functions.calls("conv2d", torch.bfloat16, ()) if c.label]
    assert [c.label for c in labelled] == ["many pictures", "many products", "by tiles", "strided", "dilated"]
    assert {t.dtype for c in labelled for t in c.sample.tensors} == {torch.bfloat16}
    assert all(len(c.sample.inputs) == 3 for c in labelled)


CALLED = {
    "linear": {"linear", "cross_entropy", "l2_penalty", "add"},
    "two_layer": {"linear", "batch_norm_relu", "cross_entropy"},
    "mlp": {"linear", "batch_norm_gelu", "dropout", "cross_entropy"},
    "convnet": {
        "conv2d",
        "conv2d_max_pool2d",
        "gelu",
        "max_pool2d",
        "batch_norm_gelu",
        "linear",
        "mul",
        "cross_entropy",
    },
}


@pytest.mark.parametrize("model", MODELS)
def test_the_calls_of_a_model_are_recorded(model):
    """In the types of training, and the functions are as before."""
    before = {name: getattr(functional, name) for name in SPECS}
    found = recorded.calls(dataclasses.replace(recipes.recipe(model), batch_size=8, width=16), "bfloat16")
    assert {name: getattr(functional, name) for name in SPECS} == before
    assert {c.function for c in found} == CALLED[model]
    assert {c.label for c in found} == {model}
    for call in found:
        if call.function in ("linear", "conv2d"):
            assert call.dtype == "bfloat16"
            assert call.sample.tensors[1].dtype == torch.float32
        assert all(t.is_leaf for t in call.sample.tensors)
        calls.measure(call, ONCE)


def test_equal_calls_are_recorded_once():
    found = recorded.calls(dataclasses.replace(recipes.recipe("mlp"), batch_size=8, width=16, depth=3), "float32")
    # 3072 to 16, twice 16 to 16, and 16 to 10.
    assert [c.sample.tensors[1].shape for c in found if c.function == "linear"] == [(16, 3072), (16, 16), (10, 16)]

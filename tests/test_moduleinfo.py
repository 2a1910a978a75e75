"""PyTorch's own metadata on modules: the same constructor, the same state and the same inputs in both namespaces."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch
from torch.func import functional_call

import manualnet.nn as nn
from manualnet.check.spec import Sample

from .judge import agree, agree_as_rounded, exact_binary_cross_entropy, forward, metadata, reverse_twice

UNJUDGED = {
    "Dropout": "PyTorch's metadata has none; tests/test_opinfo.py judges the function that it calls",
    "Flatten": "PyTorch's metadata has none; tests/native/test_planes.py compares it with PyTorch's",
}
OURS = {
    name: cls
    for name, cls in vars(nn).items()
    if isinstance(cls, type) and hasattr(torch.nn, name) and cls is not getattr(torch.nn, name)
}
JUDGED = sorted(set(OURS) - set(UNJUDGED))
WITH_ERRORS = "BatchNorm1d BatchNorm2d CrossEntropyLoss LogSoftmax MaxPool2d NLLLoss Softmax".split()
each_module = pytest.mark.parametrize("name", JUDGED)


@cache
def _entry(name: str):
    return next((m for m in metadata().modules if m.module_cls is getattr(torch.nn, name)), None)


def _given(make: Callable, name: str, dtype: torch.dtype, training: bool) -> list:
    torch.default_generator.manual_seed(0)
    return list(make(_entry(name), device="cpu", dtype=dtype, requires_grad=True, training=training))


def _built(cls: type, given, dtype: torch.dtype, training: bool) -> torch.nn.Module:
    torch.default_generator.manual_seed(1)
    return cls(*given.args, **given.kwargs).to(dtype).train(training)


def _pairs(name: str, dtype: torch.dtype) -> Iterator[tuple[Callable, Callable, Sample]]:
    """Both modules as functions of their state and inputs, for every input, in training and in evaluation."""
    for training in (True, False):
        for i, given in enumerate(_given(_entry(name).module_inputs_func, name, dtype, training)):
            modules = [
                _built(cls, given.constructor_input, dtype, training) for cls in (OURS[name], getattr(torch.nn, name))
            ]
            state = {**dict(modules[1].named_parameters()), **dict(modules[1].named_buffers())}
            call = given.forward_input
            label = f"{modules[1]}, {given.desc or 'sample'} {i}, {'training' if training else 'evaluation'}"
            ours, theirs = (
                lambda state, args, kwargs, module=module: functional_call(module, state, args, kwargs)
                for module in modules
            )
            yield ours, theirs, Sample((state, call.args, call.kwargs), label=label)


def test_every_module_that_pytorch_has_is_judged():
    assert set(UNJUDGED) <= set(OURS)
    assert [name for name in JUDGED if _entry(name) is None] == []
    assert [name for name in UNJUDGED if _entry(name) is not None] == []
    assert [name for name in JUDGED if _entry(name).module_error_inputs_func] == WITH_ERRORS


@each_module
def test_state(name):
    """One seed gives both the same state, and each loads the other's."""
    for given in _given(_entry(name).module_inputs_func, name, torch.float64, True):
        ours, theirs = (
            _built(cls, given.constructor_input, torch.float64, True) for cls in (OURS[name], getattr(torch.nn, name))
        )
        assert list(ours.state_dict()) == list(theirs.state_dict())
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)
        with torch.no_grad():
            for p in ours.parameters():
                p.add_(1)
        theirs.load_state_dict(ours.state_dict())
        torch.testing.assert_close(theirs.state_dict(), ours.state_dict(), rtol=0, atol=0)
        ours.load_state_dict(theirs.state_dict())


@each_module
def test_value_gradient_and_second_derivative(name, monkeypatch):
    if name == "BCELoss":
        monkeypatch.setattr(torch.nn.functional, "binary_cross_entropy", exact_binary_cross_entropy)
    for ours, theirs, sample in _pairs(name, torch.float64):
        agree(ours, theirs, sample, reverse_twice)


@each_module
def test_forward_mode(name):
    for ours, theirs, sample in _pairs(name, torch.float64):
        agree(ours, theirs, sample, forward)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@each_module
def test_rounding(name, dtype):
    for ours, theirs, sample in _pairs(name, dtype):
        agree_as_rounded(ours, theirs, sample)


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_errors(name):
    for error in _given(_entry(name).module_error_inputs_func, name, torch.float64, True):
        given = error.module_error_input
        for cls in (getattr(torch.nn, name), OURS[name]):
            if error.error_on is metadata().construction:
                with pytest.raises(error.error_type):
                    cls(*given.constructor_input.args, **given.constructor_input.kwargs)
            else:
                module = cls(*given.constructor_input.args, **given.constructor_input.kwargs)
                with pytest.raises(error.error_type):
                    module(*given.forward_input.args, **given.forward_input.kwargs)

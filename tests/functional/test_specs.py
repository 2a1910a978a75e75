"""What every operation must hold, for every sample of its spec."""

import pytest
import torch

from manualnet import functional, nn, reference
from manualnet.handwritten import BackwardKernels, foreign_nodes
from manualnet.specs import SPECS

SEED = 20240122


def _samples(spec):
    return spec.samples(torch.Generator().manual_seed(SEED))


def _call(function, sample):
    torch.manual_seed(SEED)
    return function(*sample.args, **sample.kwargs)


def _clone(sample):
    return sample.with_inputs([t.detach().clone().requires_grad_() for t in sample.inputs])


def _value_and_gradients(function, sample, cotangent=None):
    sample = _clone(sample)
    y = _call(function, sample)
    if cotangent is None:
        cotangent = torch.ones_like(y)
    grads = torch.autograd.grad(y, sample.inputs, cotangent, allow_unused=True)
    return y.detach(), [torch.zeros_like(x) if g is None else g for g, x in zip(grads, sample.inputs, strict=True)]


def _assert_close(actual, expected, what):
    assert actual.shape == expected.shape, what
    assert actual.dtype == expected.dtype, what
    if expected.numel():
        bound = 1e-12 * max(1.0, expected.abs().max().item())
        assert (actual - expected).abs().max().item() <= bound, what


SAMPLES = [
    pytest.param(spec, sample, id=f"{spec.name}-{sample.label or i}")
    for spec in SPECS.values()
    for i, sample in enumerate(_samples(spec))
]
KINKS = [
    pytest.param(spec, kink, id=f"{spec.name}-{kink.sample.label or i}")
    for spec in SPECS.values()
    for i, kink in enumerate(spec.kinks())
]
EXTREMES = [
    pytest.param(spec, sample, id=f"{spec.name}-{sample.label or i}")
    for spec in SPECS.values()
    for i, sample in enumerate(spec.extremes())
]


def test_every_function_has_a_spec():
    assert sorted(SPECS) == sorted(functional.__all__)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_twin_and_module_exist(spec):
    assert callable(spec.reference)
    if spec.module:
        assert issubclass(getattr(nn, spec.module), torch.nn.Module)
        assert getattr(reference.nn, spec.module) is not getattr(nn, spec.module)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_docstring_gives_source_and_example(spec):
    doc = spec.function.__doc__
    assert "Source:" in doc
    assert ">>>" in doc


@pytest.mark.parametrize(("spec", "sample"), SAMPLES)
def test_value_and_gradient_equal_the_twins(spec, sample):
    shape = _call(spec.function, _clone(sample))
    cotangent = torch.randn(shape.shape, generator=torch.Generator().manual_seed(1), dtype=shape.dtype)
    value, grads = _value_and_gradients(spec.function, sample, cotangent)
    expected, expected_grads = _value_and_gradients(spec.reference, sample, cotangent)
    _assert_close(value, expected, "value")
    for i, (g, e) in enumerate(zip(grads, expected_grads, strict=True)):
        _assert_close(g, e, f"gradient of input {i}")


@pytest.mark.parametrize(("spec", "sample"), SAMPLES)
def test_gradcheck(spec, sample):
    sample = _clone(sample)

    def function(*inputs):
        return _call(spec.function, sample.with_inputs(inputs))

    # Batched modes turn random draws into one draw a batch, which is another function.
    assert torch.autograd.gradcheck(
        function,
        sample.inputs,
        check_forward_ad=True,
        check_batched_grad=not spec.random,
        check_batched_forward_grad=not spec.random,
    )


@pytest.mark.parametrize(("spec", "sample"), SAMPLES)
def test_second_derivative(spec, sample):
    sample = _clone(sample)

    def function(*inputs):
        return _call(spec.function, sample.with_inputs(inputs))

    assert torch.autograd.gradgradcheck(function, sample.inputs)


@pytest.mark.parametrize(("spec", "kink"), KINKS)
def test_kink_follows_the_convention(spec, kink):
    value, grads = _value_and_gradients(spec.function, kink.sample)
    for g, e in zip(grads, kink.gradients, strict=True):
        torch.testing.assert_close(g, e, rtol=0, atol=1e-12)
    if kink.like_reference:
        expected, expected_grads = _value_and_gradients(spec.reference, kink.sample)
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
        for g, e in zip(grads, expected_grads, strict=True):
            torch.testing.assert_close(g, e, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("spec", "sample"), EXTREMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_extremes_give_no_nan(spec, sample, dtype):
    sample = sample.with_inputs([t.detach().to(dtype).requires_grad_() for t in sample.inputs])
    value, grads = _value_and_gradients(spec.function, sample)
    expected, expected_grads = _value_and_gradients(spec.reference, sample)
    for actual, wanted in zip([value, *grads], [expected, *expected_grads], strict=True):
        assert torch.isfinite(actual).all()
        torch.testing.assert_close(actual, wanted)


@pytest.mark.parametrize(("spec", "sample"), SAMPLES)
def test_gradient_is_hand_written(spec, sample):
    sample = _clone(sample)
    y = _call(spec.function, sample)
    assert foreign_nodes(y) == []
    with BackwardKernels() as kernels:
        torch.autograd.grad(y, sample.inputs, torch.ones_like(y), allow_unused=True)
    assert kernels.seen == []

"""PyTorch's own test metadata is a judge that nobody here wrote: its operators' samples, run through manualnet."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from inspect import signature

import pytest
import torch

from manualnet import functional
from manualnet.check.spec import Sample

from .judge import (
    agree,
    agree_as_rounded,
    everything_differentiated,
    exact_binary_cross_entropy,
    forward,
    metadata,
    reverse_twice,
)

# Samples of the losses broadcast their target on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")

F = torch.nn.functional
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
OURS_ALONE = {
    "elastic_net": "a penalty; PyTorch has weight decay in its optimizers",
    "hinge_loss": "sums over the classes; PyTorch's multi_margin_loss takes their mean",
    "l1_penalty": "a penalty; PyTorch has weight decay in its optimizers",
    "l2_penalty": "a penalty; PyTorch has weight decay in its optimizers",
    "maxout": "PyTorch has none",
    "squared_error": "half the sum of squares; PyTorch's mse_loss has no half",
    "step": "PyTorch's heaviside wants its value at 0 as a tensor, and has no gradient",
    "stochastic_depth": "torchvision's; tests/functional/test_dropout.py holds it against it",
    "stochastic_pool2d": "PyTorch has none",
    "batch_norm_gelu": "PyTorch has none; batch_norm and gelu, which it is made of, are judged",
    "batch_norm_relu": "PyTorch has none; batch_norm and relu, which it is made of, are judged",
    "conv2d_max_pool2d": "PyTorch has none; conv2d and max_pool2d, which it is made of, are judged",
    "triplet_loss": "squared distances; PyTorch's triplet_margin_loss takes distances",
}
SHARED = sorted(set(functional.__all__) - set(OURS_ALONE))
WITH_REFERENCE_INPUTS = "add elu mul prelu relu sigmoid sub tanh".split()
WITH_ERRORS = "adaptive_avg_pool2d avg_pool2d conv2d gelu l1_loss max_pool2d mean prelu".split()
each_function = pytest.mark.parametrize("name", SHARED)


def _elu_of_slope_1_at_nan(x, alpha=1.0):
    return torch.where(x.isnan(), x, F.elu(x.where(~x.isnan(), 0.0), alpha))


# Subjects in which PyTorch's own is not exact, and what is.
EXACT: dict[tuple[str, str], Callable] = {
    ("binary_cross_entropy", "second derivative"): exact_binary_cross_entropy,
    # PyTorch's slope at NaN is NaN where its kernel is vectorised and 1 in what remains.
    ("elu", "reference inputs"): _elu_of_slope_1_at_nan,
}

# Samples for which manualnet means to differ: why, and which they are. Each is tested to differ still.
DEVIATIONS: dict[tuple[str, str], tuple[str, Callable[[Sample], bool]]] = {
    ("batch_norm", "everything differentiated"): (
        "without an element PyTorch returns before it refuses to differentiate the running statistics",
        lambda sample: sample.args[0].numel() == 0,
    ),
    ("batch_norm", "integers"): (
        "without an element PyTorch returns before it refuses integers",
        lambda sample: sample.args[0].numel() == 0,
    ),
}


@cache
def operators(name: str) -> list:
    """Every variant that PyTorch tests; cuDNN's differ by a setting that says nothing on the CPU."""
    return [
        op
        for op in metadata().operators
        if op.name in (name, f"nn.functional.{name}") and op.variant_test_name != "without_cudnn"
    ]


def _sample(op, given) -> Sample:
    return Sample((given.input, *given.args), given.kwargs, f"{op.full_name} {given.summary()}")


@cache
def samples(name: str, dtype: torch.dtype) -> list[tuple]:
    """Every operator with each of its samples; for a type that it lacks, float64's are cast."""
    return [
        (op, sample if dtype in op.dtypes else sample.map(lambda t: t.to(dtype) if t.is_floating_point() else t))
        for op in operators(name)
        for sample in _made(op, op.sample_inputs, dtype if dtype in op.dtypes else torch.float64)
    ]


def _made(op, make: Callable, dtype: torch.dtype) -> list[Sample]:
    torch.default_generator.manual_seed(0)
    made = make("cpu", dtype, requires_grad=dtype.is_floating_point, set_seed=False)
    return [_sample(op, given) for given in made]


def _errors(op) -> list:
    return list(op.error_inputs("cpu")) if op.error_inputs_func else []


def judge(name: str, subject: str, each: Iterable[tuple], hold: Callable) -> None:
    """Hold manualnet's function against PyTorch's on every sample, and known deviations to their word."""
    ours, exact = getattr(functional, name), EXACT.get((name, subject))
    why, deviates = DEVIATIONS.get((name, subject), ("", lambda sample: False))
    judged = 0
    for op, sample in each:
        judged += 1
        if deviates(sample):
            try:
                hold(ours, op.op, sample)
            except AssertionError:
                continue
            pytest.fail(f"{sample.label}: manualnet differs no more, though {why}")
        hold(ours, exact or op.op, sample)
    assert judged


def test_every_function_that_pytorch_has_is_judged():
    assert set(OURS_ALONE) <= set(functional.__all__)
    assert [name for name in OURS_ALONE if hasattr(F, name) or hasattr(torch, name)] == []
    assert [name for name in SHARED if not operators(name)] == []
    assert [n for n in SHARED if any(op.reference_inputs_func for op in operators(n))] == WITH_REFERENCE_INPUTS
    assert [n for n in SHARED if any(_errors(op) for op in operators(n))] == WITH_ERRORS


@each_function
def test_value_gradient_and_second_derivative(name):
    judge(name, "second derivative", samples(name, torch.float64), partial(agree, measure=reverse_twice))


@each_function
def test_gradient_of_everything(name):
    each = [(op, everything_differentiated(sample)) for op, sample in samples(name, torch.float64)]
    judge(name, "everything differentiated", each, agree)


@each_function
def test_forward_mode(name):
    judge(name, "forward mode", samples(name, torch.float64), partial(agree, measure=forward))


@each_function
def test_inputs_with_gaps(name):
    each = [(op, sample.map(metadata().with_gaps)) for op, sample in samples(name, torch.float64)]
    judge(name, "gaps", each, agree)


@pytest.mark.parametrize("name", [n for n in SHARED if "inplace" in signature(getattr(functional, n)).parameters])
def test_in_place(name):
    def in_place(function):
        return lambda x, *args, **kwargs: function(x.clone(), *args, inplace=True, **kwargs)

    def hold(ours, theirs, sample):
        agree(in_place(ours), in_place(getattr(F, name)), sample)

    judge(name, "in place", samples(name, torch.float64), hold)


@pytest.mark.parametrize("name", WITH_REFERENCE_INPUTS)
def test_reference_inputs(name):
    """The larger sets, which hold infinities and NaN, every broadcast and odd strides."""
    each = [(op, sample) for op in operators(name) for sample in _made(op, op.reference_inputs, torch.float64)]
    judge(name, "reference inputs", each, agree)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@each_function
def test_rounding(name, dtype):
    judge(name, "rounding", samples(name, dtype), agree_as_rounded)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@each_function
def test_integers(name, dtype):
    judge(name, "integers", samples(name, dtype), agree)


def _refuses(ours, theirs, sample):
    with pytest.raises(NotImplementedError, match="real numbers"):
        ours(*sample.args, **sample.kwargs)


@each_function
def test_complex_numbers_are_refused(name):
    judge(name, "complex", samples(name, torch.complex64), _refuses)


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_errors(name):
    for op in operators(name):
        for error in _errors(op):
            sample = _sample(op, error.sample_input)
            with pytest.raises(error.error_type):
                op.op(*sample.args, **sample.kwargs)
            judge(name, "errors", [(op, sample)], agree)

"""What ``--input`` and ``--kwarg`` draw."""

import pytest
import torch

from manualnet.check.command.inputs import DRAWS, DTYPES, samples
from manualnet.check.command.mistake import Mistake


def drawn(*inputs, kwargs=(), seed=0):
    return samples(inputs, kwargs, seed)[0]


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("3x4", (3, 4), torch.float64),
        ("3,4", (3, 4), torch.float64),
        ("5", (5,), torch.float64),
        ("5,", (5,), torch.float64),
        ("0x3", (0, 3), torch.float64),
        (":float64", (), torch.float64),
        ("scalar", (), torch.float64),
        ("scalar:float32", (), torch.float32),
        ("2x3:bfloat16", (2, 3), torch.bfloat16),
        ("2:torch.float32", (2,), torch.float32),
        ("2::0..1", (2,), torch.float64),
    ],
)
def test_floating_tensors_are_differentiated(text, shape, dtype):
    (x,) = drawn(text).args
    assert (x.shape, x.dtype, x.requires_grad) == (shape, dtype, True)


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_can_be_drawn(name):
    _, x = drawn("2", f"3x4:{name}").args
    assert (x.shape, x.dtype) == ((3, 4), DTYPES[name])


def test_ranges_hold_both_ends():
    _, default, digits = drawn("2", "500:int64", "500:int64:-1..1").args
    assert (default.min(), default.max()) == (0, 9)
    assert digits.unique().tolist() == [-1, 0, 1]
    (x,) = drawn("500:float64:0.1..0.9").args
    assert 0.1 <= x.min() < 0.15
    assert 0.85 < x.max() <= 0.9
    _, truth = drawn("2", "100:bool").args
    assert truth.unique().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "value"),
    [("=0.5", 0.5), ("=-2", -2), ("='mean'", "mean"), ("=mean", "mean"), ("=None", None), ("=[1, 2]", [1, 2])],
)
def test_values_are_python_literals(text, value):
    assert drawn("2", text).args[1] == value


def test_keyword_arguments_are_values_or_tensors():
    sample = drawn("2", kwargs=["reduction=sum", "weight=3:float32", "beta=scalar", "dim=-1", "table={'a': 1}"])
    assert sample.kwargs["reduction"] == "sum"
    assert sample.kwargs["dim"] == -1
    assert sample.kwargs["table"] == {"a": 1}
    assert sample.kwargs["weight"].shape == (3,)
    assert sample.kwargs["weight"].dtype == torch.float32
    assert sample.kwargs["beta"].shape == ()


def test_samples_differ_and_the_seed_repeats_them():
    first, again = samples(["3"], [], 7), samples(["3"], [], 7)
    assert len(first) == DRAWS
    assert [s.label for s in first] == ["seed 7", "seed 8", "seed 9"]
    assert all(torch.equal(a.args[0], b.args[0]) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].args[0], first[1].args[0])


@pytest.mark.parametrize(
    ("inputs", "kwargs", "told"),
    [
        (["3xq"], [], "'3xq' is not a shape"),
        (["3x"], [], "not a shape"),
        (["-3"], [], "not a shape"),
        (["3:flaot32"], [], "did you mean 'float32'?"),
        (["3:complex64"], [], "not a real dtype"),
        (["3:float64:1"], [], "'1' is not a range of float64"),
        (["3:float64:2..1"], [], "not a range"),
        (["3:float64:nan..1"], [], "not a range"),
        (["3:int64:0..1.5"], [], "not a range of int64"),
        (["3:bool:0..1"], [], "bool takes no range"),
        (["3:float64:0..1:2"], [], "write SHAPE"),
        (["=a+b"], [], "not a Python literal"),
        (["="], [], "not a Python literal"),
        (["3"], ["x"], "write NAME=VALUE"),
        (["3"], ["2x=1"], "write NAME=VALUE"),
        (["3"], ["x=1+"], "--kwarg x=1+"),
        (["3:int64"], [], "no input can be differentiated"),
        (["=1"], [], "no input can be differentiated"),
    ],
)
def test_mistakes_are_told_in_one_line(inputs, kwargs, told):
    with pytest.raises(Mistake) as mistake:
        samples(inputs, kwargs, 0)
    assert told in str(mistake.value)
    assert "\n" not in str(mistake.value)

"""Pictures laid out anew are PyTorch's own copies."""

import pytest
import torch

from manualnet.native import pixels as native

from .kit import DTYPES, compiled, counted, normal, threaded, using

pytestmark = compiled
# Channels and places that fill registers, and that do not.
SHAPES = {
    "whole blocks": (2, 64, 8, 16),
    "one place": (3, 32, 1, 1),
    "some places": (3, 32, 3, 3),
    "a block and a place": (2, 32, 17, 1),
    "an odd channel": (2, 33, 4, 9),
    "half a block": (2, 48, 5, 7),
    "all but one": (2, 63, 5, 7),
    "one picture over threads": (1, 64, 40, 40),
    "pictures over threads": (9, 40, 15, 16),
}


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """What was handed to C."""
    monkeypatch.setattr(native, "_WORTH", 0)
    return counted(monkeypatch, native, "call")


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES, [name for name in SHAPES if "threads" in name])
def test_shapes(ran, dtype, shape, threads):
    x = normal(*shape, dtype=dtype)
    with using(threads):
        y = native.channels_last(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, x)
    # Of one place a picture lies both ways at once.
    assert len(ran) == (shape[2:] != (1, 1))


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_bits_are_kept(ran, dtype):
    x = torch.tensor([float("nan"), -float("nan"), float("inf"), -0.0, 1e-45, 1.0, 3.0, 1e-40]).to(dtype)
    x = x.repeat(32).view(1, 32, 2, 4)
    kinds = {torch.float32: torch.int32, torch.bfloat16: torch.int16}
    assert torch.equal(native.channels_last(x).view(kinds[dtype]), x.view(kinds[dtype]))
    assert len(ran) == 1


@pytest.mark.parametrize(
    "x",
    [
        normal(2, 32, 5, 7).contiguous(memory_format=torch.channels_last),
        normal(2, 31, 5, 7),
        normal(2, 32, 5, 14)[..., ::2],
        normal(2, 32, 5, 7).double(),
        normal(0, 32, 5, 7),
    ],
    ids=["as it is wanted", "few channels", "gaps", "double", "nothing"],
)
def test_others_are_copied_by_pytorch(ran, x):
    y = native.channels_last(x)
    assert torch.equal(y, x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert ran == [] or not x.numel()

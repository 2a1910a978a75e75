"""Pictures laid out anew are PyTorch's own copies."""

import pytest
import torch

from manualnet.native import pixels as native

from .kit import DTYPES, compiled, counted, normal, threaded, using

pytestmark = compiled
# Channels and places that fill registers, and that do not.
SHAPES = {
    "whole blocks": (2, 64, 8, 16),
    "some places": (3, 32, 4, 4),
    "a block and a place": (2, 32, 17, 1),
    "an odd channel": (2, 33, 4, 9),
    "half a block": (2, 48, 5, 7),
    "all but one": (2, 63, 5, 7),
    "one picture over threads": (1, 64, 40, 40),
    "pictures over threads": (9, 40, 15, 16),
}
FEW = {"colors": (5, 3, 7, 9), "as many as a register": (4, 16, 7, 9), "one more": (4, 17, 7, 9)}


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
    assert len(ran) == 1


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@threaded(SHAPES | FEW, [name for name in SHAPES if "threads" in name])
def test_and_back(ran, dtype, shape, threads):
    x = normal(*shape, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with using(threads):
        y = native.planes(x)
    assert y.is_contiguous()
    assert torch.equal(y, x)
    assert len(ran) == 1


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("channels", [64, 33])
def test_volumes(ran, dtype, channels):
    x = normal(2, channels, 3, 4, 5, dtype=dtype)
    y = native.channels_last(x)
    assert y.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(y, x)
    assert len(ran) == 1
    assert native.channels_last(y) is y


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_bits_are_kept(ran, dtype):
    x = torch.tensor([float("nan"), -float("nan"), float("inf"), -0.0, 1e-45, 1.0, 3.0, 1e-40]).to(dtype)
    x = x.repeat(64).view(1, 32, 4, 4)
    kind = {torch.float32: torch.int32, torch.bfloat16: torch.int16}[dtype]
    last = native.channels_last(x)
    assert torch.equal(last.view(kind), x.view(kind))
    assert torch.equal(native.planes(last).view(kind), x.view(kind))
    assert len(ran) == 2


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


@pytest.mark.parametrize(
    "x",
    [
        normal(2, 32, 5, 7),
        normal(2, 15, 5, 7).contiguous(memory_format=torch.channels_last),
        normal(2, 32, 5, 3).contiguous(memory_format=torch.channels_last),
        normal(2, 32, 5, 14).contiguous(memory_format=torch.channels_last)[..., ::2],
        normal(2, 32, 5, 7).double().contiguous(memory_format=torch.channels_last),
        normal(30, 20).t(),
    ],
    ids=["as it is wanted", "few channels", "few places", "gaps", "double", "no pictures"],
)
def test_other_pixels_are_copied_by_pytorch(ran, x):
    y = native.planes(x)
    assert torch.equal(y, x)
    assert y.is_contiguous()
    assert ran == []

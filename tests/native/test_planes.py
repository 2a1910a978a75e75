"""Pictures flattened."""

import pytest
import torch

from manualnet import nn
from manualnet.native import available
from manualnet.native import pixels as native


@pytest.mark.skipif(not available(), reason="no C compiler, or switched off")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(50, 3, 32, 32), (9, 3, 21, 33), (4, 3, 37, 41)])
def test_flattening_moves_every_number_to_its_place(shape, dtype, monkeypatch):
    made, laid = [], native._laid
    monkeypatch.setattr(native, "_laid", lambda *args: made.append(laid(*args)) or made[-1])
    x = torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)
    assert torch.equal(nn.Flatten()(x), torch.flatten(x, 1))
    assert made[0] is not None


@pytest.mark.parametrize("shape", [(50, 4, 32, 32), (3, 2), (0, 3, 4, 4)])
def test_other_tensors_are_left_to_pytorch(shape):
    x = torch.randn(shape)
    assert native.planes(x) is x
    assert torch.equal(nn.Flatten()(x), torch.flatten(x, 1))


def test_a_picture_that_wants_a_gradient_keeps_its_graph():
    x = torch.randn(50, 3, 32, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
    nn.Flatten()(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))

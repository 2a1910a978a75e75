"""What is no tensor is refused as PyTorch refuses it, and by name."""

import pytest
import torch

from manualnet import functional as F

X, PICTURE = torch.ones(2, 3), torch.ones(1, 2, 4, 4)
CALLS = {
    "linear, input": ("linear", (1.0, X)),
    "linear, weight": ("linear", (X, 2.0)),
    "linear, bias": ("linear", (X, X, 2.0)),
    "conv2d, input": ("conv2d", ([1.0], torch.ones(3, 2, 1, 1))),
    "conv2d, weight": ("conv2d", (PICTURE, 2.0)),
    "conv2d, bias": ("conv2d", (PICTURE, torch.ones(3, 2, 1, 1), 2.0)),
    "batch_norm, input": ("batch_norm", (2.0, torch.zeros(3), torch.ones(3))),
    "batch_norm, weight": ("batch_norm", (X, None, None, 2.0, None, True)),
    "batch_norm, running_mean": ("batch_norm", (X, 0.0, torch.ones(3))),
    "max_pool2d, input": ("max_pool2d", (2.0, 2)),
    "avg_pool2d, input": ("avg_pool2d", (2.0, 2)),
    "dropout, input": ("dropout", ("x",)),
    "relu, input": ("relu", (None,)),
    "prelu, weight": ("prelu", (X, 0.1)),
    "cross_entropy, target": ("cross_entropy", (X, 1)),
    "nll_loss, input": ("nll_loss", ([[0.5, 0.5]], torch.tensor([0]))),
    "pad, input": ("pad", (1, (1, 1))),
}


@pytest.mark.parametrize(("name", "args"), CALLS.values(), ids=CALLS)
def test_what_is_no_tensor_is_a_type_error(name, args):
    with pytest.raises(TypeError):
        getattr(torch.nn.functional, name)(*args)
    with pytest.raises(TypeError, match=r"must be (a )?Tensor|combination of arguments"):
        getattr(F, name)(*args)


@pytest.mark.parametrize("place", [0, 1])
def test_products_of_what_is_no_tensor(place):
    args = [X, 2.0] if place else [2.0, X]
    with pytest.raises(TypeError):
        torch.matmul(*args)
    with pytest.raises(TypeError, match=f"matmul: {['input', 'other'][place]} must be a Tensor, but got float"):
        F.matmul(*args)

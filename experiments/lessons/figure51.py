"""The network of figure 5.1 with the numbers of golden A and B; the first column of each matrix is the bias."""

import torch
from torch.nn.utils import skip_init

from manualnet import nn

X = torch.tensor([1.0, 2.0], dtype=torch.float64)
T = torch.tensor([1.0], dtype=torch.float64)
W1 = torch.tensor([[0.1, 0.5, -0.3], [-0.2, 0.8, 0.4]], dtype=torch.float64)
W2 = torch.tensor([[0.05, 0.7, -0.6]], dtype=torch.float64)


def layers() -> nn.Sequential:
    """The network of golden A, sigmoids in both layers, as modules.

    >>> layers()(X).item().__round__(6)
    0.479684
    """
    return nn.Sequential(_linear(W1), nn.Sigmoid(), _linear(W2), nn.Sigmoid())


def _linear(folded: torch.Tensor) -> nn.Module:
    """A layer whose bias is the first column; made without drawing weights, which would move the global seed."""
    layer = skip_init(nn.Linear, folded.shape[1] - 1, folded.shape[0], dtype=folded.dtype)
    layer.load_state_dict({"weight": folded[:, 1:], "bias": folded[:, 0]})
    return layer

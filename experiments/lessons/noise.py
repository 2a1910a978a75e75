"""What changes a network in training, with its draw held fixed: only then is there a function to differentiate."""

from collections.abc import Callable

import torch
from torch import Tensor

from manualnet import functional as F

CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "dropout": lambda x: F.dropout(x, 0.5),
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "stochastic depth": lambda x: F.stochastic_depth(x, 0.5, "row"),
    "stochastic pooling": lambda x: F.stochastic_pool2d(x[None], 2)[0],
}


def seeded(function: Callable[[Tensor], Tensor], seed: int) -> Callable[[Tensor], Tensor]:
    """The function with the same draw at every call; PyTorch's own stream goes on as if nothing had been drawn.

    >>> fixed = seeded(CHANGES["dropout"], seed=0)
    >>> torch.equal(fixed(torch.ones(100)), fixed(torch.ones(100)))
    True
    """

    def fixed(x: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return function(x)

    return fixed

"""Two small networks worked out by the lecture's formulas: inputs, weights, and the numbers that must come out.

Two inputs, two hidden units, one output. Each input begins with a 1, and each matrix with the column of biases (S2).

>>> A.error(W1, W2)
tensor(0.1354, dtype=torch.float64)
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from experiments.lessons.algorithms import SigmoidNetwork, TanhNetwork, TwoLayers
from manualnet import functional as F

X = torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64)
T = torch.tensor([1.0], dtype=torch.float64)
W1 = torch.tensor([[0.1, 0.5, -0.3], [-0.2, 0.8, 0.4]], dtype=torch.float64)
W2 = torch.tensor([[0.05, 0.7, -0.6]], dtype=torch.float64)
ETA = 0.5


def identity(a: Tensor) -> Tensor:
    return a


@dataclass(frozen=True)
class Golden:
    """One of the two: its activations, the lecture's algorithm for it, and ``numbers`` to six digits."""

    name: str
    hidden: Callable[[Tensor], Tensor]
    output: Callable[[Tensor], Tensor]
    algorithm: type[TwoLayers]
    numbers: SimpleNamespace

    @property
    def layers(self) -> list[tuple[Tensor, Callable[[Tensor], Tensor]]]:
        """Weights and activation, layer by layer."""
        return [(W1, self.hidden), (W2, self.output)]

    def network(self) -> TwoLayers:
        """The lecture's algorithm on weights of its own."""
        return self.algorithm(W1, W2)

    def error(self, W1: Tensor, W2: Tensor) -> Tensor:
        """½ squared error of the one example, as one expression of manualnet's functions (S6)."""
        a_j = F.linear(X, W1)
        z = self.hidden(a_j)
        z_1 = F.pad(z, (1, 0), value=1.0)
        a_k = F.linear(z_1, W2)
        y = self.output(a_k)
        return F.squared_error(y, T)


A = Golden(
    "golden A",
    F.sigmoid,
    F.sigmoid,
    SigmoidNetwork,
    SimpleNamespace(
        z=[0.5, 0.802184],
        y=[0.479684],
        E=0.135365,
        delta_k=[-0.129864],
        delta_j=[-0.022726, 0.012365],
        W1_after=[[0.111363, 0.511363, -0.277274], [-0.206182, 0.793818, 0.387635]],
        W2_after=[[0.114932, 0.732466, -0.547912]],
        E_after=0.117932,
    ),
)
B = Golden(
    "golden B",
    F.tanh,
    identity,
    TanhNetwork,
    SimpleNamespace(
        z=[0, 0.885352],
        y=[-0.481211],
        E=1.096993,
        delta_k=[-1.481211],
        delta_j=[-1.036848, 0.192100],
        dW1=[[-1.036848, -1.036848, -2.073695], [0.192100, 0.192100, 0.384201]],
        dW2=[[-1.481211, 0, -1.311393]],
    ),
)

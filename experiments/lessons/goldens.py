"""Two small networks worked out by the lecture's formulas: inputs, weights, and the numbers that must come out.

Two inputs, two hidden units, one output. Each input begins with a 1, and each matrix with the column of biases (S2).

>>> A.error(W1, W2)
tensor(0.1354, dtype=torch.float64)
"""

from dataclasses import dataclass
from types import SimpleNamespace

from torch import Tensor

from experiments.lessons import figure51
from experiments.lessons.algorithms import SigmoidNetwork, TanhNetwork, TwoLayers, with_one
from experiments.lessons.figure51 import W1, W2, T
from experiments.lessons.tables import Activation, Layer, layer_table
from manualnet import functional as F
from manualnet.graph import name

X = with_one(figure51.X)
ETA = 0.5


def identity(a: Tensor) -> Tensor:
    return a


@dataclass(frozen=True)
class Golden:
    """One of the two: its activations, the lecture's algorithm for it, and ``numbers`` to six digits."""

    title: str
    hidden: Activation
    output: Activation
    algorithm: type[TwoLayers]
    numbers: SimpleNamespace

    @property
    def layers(self) -> list[tuple[Tensor, Activation]]:
        """Weights and activation, layer by layer."""
        return [(W1, self.hidden), (W2, self.output)]

    @property
    def table(self) -> list[Layer]:
        """In, raw, act and err of both layers (S52)."""
        return layer_table(self.layers, X, lambda y: F.squared_error(y, T))

    def network(self) -> TwoLayers:
        """The lecture's algorithm on weights of its own."""
        return self.algorithm(W1, W2)

    def error(self, W1: Tensor, W2: Tensor, x: Tensor = X, t: Tensor = T) -> Tensor:
        """½ squared error of the one example, as one expression of manualnet's functions (S6)."""
        a_j = F.linear(x, W1)
        z = self.hidden(a_j)
        z_1 = F.pad(z, (1, 0), value=1.0)
        a_k = F.linear(z_1, W2)
        y = self.output(a_k)
        return name("E", F.squared_error(y, t))


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
        dW1=[[-0.022726, -0.022726, -0.045453], [0.012365, 0.012365, 0.024729]],
        dW2=[[-0.129864, -0.064932, -0.104175]],
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

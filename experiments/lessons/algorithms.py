"""The lecture's training algorithms, written out as it writes them: every δ is a formula, and nothing is autograd's.

S55 has sigmoids in both layers, S56 tanh in the hidden and nothing in the output layer; both measure ½ squared error.

>>> network = SigmoidNetwork(*small_random(inputs=2, hidden=2, outputs=1, seed=0))
>>> x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
>>> either = torch.tensor([[0.0], [1.0], [1.0], [1.0]], dtype=torch.float64)
>>> training = train(network, x, either, eta=1.0, small=0.01)
>>> training.reason, network.outputs(x)[1].round().flatten().tolist()
('all errors are small', [0.0, 1.0, 1.0, 1.0])
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init


def with_one(x: Tensor) -> Tensor:
    """A 1 before the first input, whose weight is the bias (S2)."""
    return torch.cat([torch.ones_like(x[..., :1]), x], dim=-1)


def small_random(inputs: int, hidden: int, outputs: int, *, seed: int, size: float = 0.1) -> tuple[Tensor, Tensor]:
    """W1 and W2 drawn uniformly from −size to size: the algorithm's first line."""
    draw = torch.Generator().manual_seed(seed)
    shapes = [(hidden, inputs + 1), (outputs, hidden + 1)]
    W1, W2 = (size * (2 * torch.rand(shape, generator=draw, dtype=torch.float64) - 1) for shape in shapes)
    return W1, W2


class TwoLayers(ABC):
    """Two layers of weights W1 and W2, with the biases in the first column.

    Inputs ``x`` are one example, or a row an example; they come without the 1. The weights are copied, and change.
    """

    activations: tuple[str, str]  # by their names in nn

    def __init__(self, W1: Tensor, W2: Tensor) -> None:
        if W1.dim() != 2 or W2.dim() != 2 or W2.shape[1] != W1.shape[0] + 1:
            shapes = f"{tuple(W1.shape)} and {tuple(W2.shape)}"
            raise ValueError(f"W2 must have a column for the bias and one for each row of W1, but they are {shapes}")
        self.W1, self.W2 = W1.detach().clone(), W2.detach().clone()

    @abstractmethod
    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the hidden units give, z_j, and the output units, y_k."""

    @abstractmethod
    def deltas(self, z: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """δ_k of the output units and δ_j of the hidden units: the gradient of E with respect to a_k and a_j."""

    def errors(self, x: Tensor, t: Tensor) -> Tensor:
        """E = ½ Σ_k (y_k − t_k)² of each example."""
        return (self.outputs(x)[1] - t).square().sum(-1) / 2

    def learn_example(self, x: Tensor, t: Tensor, eta: float) -> None:
        """One pass of the inner loop: outputs, then all δ, and only then the weights (S57)."""
        z, y = self.outputs(x)
        delta_k, delta_j = self.deltas(z, y, t)
        self.W2 -= eta * torch.outer(delta_k, with_one(z))
        self.W1 -= eta * torch.outer(delta_j, with_one(x))

    def learn_batch(self, x: Tensor, t: Tensor, eta: float) -> None:
        """All examples at once: each is a row, and the product of matrices sums their gradients."""
        z, y = self.outputs(x)
        delta_k, delta_j = self.deltas(z, y, t)
        self.W2 -= eta * delta_k.T @ with_one(z)
        self.W1 -= eta * delta_j.T @ with_one(x)

    def modules(self, namespace: ModuleType) -> Any:
        """The same network of ``manualnet.nn``'s layers, or of ``manualnet.reference.nn``'s, with these weights."""
        layers: list[nn.Module] = []
        for W, activation in zip((self.W1, self.W2), self.activations, strict=True):
            # Drawing weights that are not wanted would move the global generator on.
            linear = skip_init(namespace.Linear, W.shape[1] - 1, W.shape[0], dtype=W.dtype)
            linear.load_state_dict({"weight": W[:, 1:], "bias": W[:, 0]})
            layers += [linear, getattr(namespace, activation)()]
        return namespace.Sequential(*layers)


class SigmoidNetwork(TwoLayers):
    """Sigmoids in both layers (S55)."""

    activations = ("Sigmoid", "Sigmoid")

    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.sigmoid(with_one(x) @ self.W1.T)
        y = torch.sigmoid(with_one(z) @ self.W2.T)
        return z, y

    def deltas(self, z: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        delta_k = y * (1 - y) * (y - t)
        # The bias is left out of the sum: its input 1 depends on nothing.
        delta_j = z * (1 - z) * (delta_k @ self.W2[:, 1:])
        return delta_k, delta_j


class TanhNetwork(TwoLayers):
    """Tanh in the hidden layer, outputs as they are (S56)."""

    activations = ("Tanh", "Identity")

    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.tanh(with_one(x) @ self.W1.T)
        y = with_one(z) @ self.W2.T
        return z, y

    def deltas(self, z: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        delta_k = y - t
        delta_j = (1 - z**2) * (delta_k @ self.W2[:, 1:])
        return delta_k, delta_j


@dataclass(frozen=True)
class Training:
    """How a training went: the error, summed over the examples, before it and after each epoch; why it ended."""

    errors: list[float]
    reason: str

    @property
    def epochs(self) -> int:
        return len(self.errors) - 1


SMALL, STOPPED, LIMIT = "all errors are small", "the error stopped falling", "the epochs are used up"


def train(
    network: TwoLayers,
    x: Tensor,
    t: Tensor,
    *,
    eta: float,
    small: float,
    least: float = 0.0,
    batched: bool = False,
    epochs: int = 10_000,
) -> Training:
    """Repeat, example by example, until one of the lecture's two stopping rules holds.

    Args:
        network: is trained in place.
        x, t: a row an example.
        eta: the learning rate.
        small: the first rule: the error of every example is below this.
        least: the second rule: over an epoch the summed error fell by no more than this.
        batched: one step an epoch, on all examples at once.
        epochs: the end in any case.

    Source: S55, S56.
    """
    errors = [network.errors(x, t)]
    while True:
        if bool((errors[-1] < small).all()):
            reason = SMALL
        elif len(errors) > 1 and not errors[-1].sum() < errors[-2].sum() - least:
            reason = STOPPED
        elif len(errors) > epochs:
            reason = LIMIT
        else:
            if batched:
                network.learn_batch(x, t, eta)
            else:
                for example, target in zip(x, t, strict=True):
                    network.learn_example(example, target, eta)
            errors.append(network.errors(x, t))
            continue
        return Training([float(e.sum()) for e in errors], reason)

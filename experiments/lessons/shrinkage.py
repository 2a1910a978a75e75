"""What penalties do to the weights of a fit, and to its error on points that it has not seen."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from manualnet import functional as F
from manualnet.optim import SGD

PENALTIES = {
    "L2": lambda w, strength: F.l2_penalty(F.mul(w, strength.sqrt())),
    "L1": lambda w, strength: F.l1_penalty(F.mul(w, strength)),
    # β = .5: Σ λ(½w² + |w|) is ½ Σ (√λ w)² + Σ |λw|.
    "elastic net": lambda w, strength: F.add(
        F.mul(F.l2_penalty(F.mul(w, strength.sqrt())), 0.5), F.l1_penalty(F.mul(w, strength))
    ),
}
TRUE = torch.tensor([2.0, 2.0, -1.0, 0.0, 0.0, 0.0], dtype=torch.float64)


def regression() -> tuple[Tensor, Tensor]:
    """X, (60, 6), and noisy t = X·TRUE, (60,): inputs 1 and 2 are nearly twins, 4 to 6 say nothing about t."""
    generator = torch.Generator().manual_seed(3)
    # Uniform numbers of standard deviation 1: their stream is the same on every processor.
    x = (torch.rand(60, 6, generator=generator, dtype=torch.float64) * 2 - 1) * 3**0.5
    x[:, 1] = 0.95 * x[:, 0] + 0.3 * x[:, 1]
    noise = torch.rand(60, generator=generator, dtype=torch.float64) * 2 - 1
    return x, x @ TRUE + 2 * noise


def path(penalty: str, x: Tensor, t: Tensor, strengths: Tensor, steps: int = 600) -> Tensor:
    """The weights of least mean squared error plus λ R(w), for each λ: (len(strengths), inputs).

    Gradient descent on all λ at once, a row of W each. L1 pulls with the same force however small a weight is, and
    would send it over 0 and back for ever: after a third of them the steps shrink, to almost nothing.
    """
    w = torch.zeros(len(strengths), x.shape[1], dtype=x.dtype, requires_grad=True)
    targets = t[:, None].expand(-1, len(strengths))
    optimizer = SGD([w], lr=0.05, momentum=0.9)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.05 * min(1.0, 10 ** (-4 * (step / steps - 0.3) / 0.7))
        optimizer.zero_grad()
        # A column of scores for each λ: the mean over all is taken back to a sum over λ, as no λ disturbs another.
        error = F.mul(F.mse_loss(F.linear(x, w), targets), len(strengths))
        F.add(error, PENALTIES[penalty](w, strengths[:, None])).backward()
        optimizer.step()
    return w.detach()


def ridge(x: Tensor, t: Tensor, strength: float) -> Tensor:
    """The weights of least mean squared error plus λ Σw², in closed form.

    Where 2/N Xᵀ(Xw − t) + 2λw = 0 there is (XᵀX + NλI) w = Xᵀt.
    """
    n, inputs = x.shape
    return torch.linalg.solve(x.T @ x + n * strength * torch.eye(inputs, dtype=x.dtype), x.T @ t)


def held(penalty: Callable[[Tensor], Tensor], start: Tensor, x: Tensor) -> Tensor:
    """Where gradient descent takes w from ``start`` under a weak penalty, while its score w·x is held near 1."""
    w = start.clone().requires_grad_()
    optimizer = SGD([w], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        miss = F.mul(F.squared_error(F.matmul(w, x), torch.ones((), dtype=w.dtype)), 4.0)
        F.add(miss, F.mul(penalty(w), 0.1)).backward()
        optimizer.step()
    return w.detach()


@dataclass(frozen=True)
class Curve:
    """A polynomial through noisy points, by strength of its penalty."""

    x: Tensor
    t: Tensor
    strengths: Tensor
    weights: Tensor  # (strengths, degree + 1)
    train: Tensor  # mean squared error, a number a strength
    test: Tensor

    @property
    def best(self) -> int:
        """Which strength has the lowest test error."""
        return int(self.test.argmin())

    def at(self, x: Tensor, which: int) -> Tensor:
        """The curve of a strength."""
        return F.linear(powers(x, self.weights.shape[1] - 1), self.weights[which : which + 1])[:, 0]


def truth(x: Tensor) -> Tensor:
    return torch.sin(torch.pi * x)


def powers(x: Tensor, degree: int) -> Tensor:
    """1, x, … x^degree, turned into Legendre's polynomials, which are all of one size: (N, degree + 1)."""
    columns = [torch.ones_like(x), x]
    for n in range(1, degree):
        columns.append(((2 * n + 1) * x * columns[n] - n * columns[n - 1]) / (n + 1))
    return torch.stack(columns, 1)


def noisy_curve(strengths: Tensor, points: int = 14, degree: int = 12) -> Curve:
    """Fit a polynomial to noisy points of sin(πx), with λ Σw² added to its mean squared error, for each λ."""
    generator = torch.Generator().manual_seed(1)

    def noisy(n: int) -> tuple[Tensor, Tensor]:
        x = torch.linspace(-1, 1, n, dtype=torch.float64)
        return x, truth(x) + (torch.rand(n, generator=generator, dtype=torch.float64) - 0.5) * 1.2

    (x, t), (new_x, new_t) = noisy(points), noisy(200)
    inputs, new = powers(x, degree), powers(new_x, degree)
    weights = torch.stack([ridge(inputs, t, float(strength)) for strength in strengths])
    train, test = (
        torch.stack([F.mse_loss(F.linear(a, w[None])[:, 0], b) for w in weights])
        for a, b in ((inputs, t), (new, new_t))
    )
    return Curve(x, t, strengths, weights, train, test)

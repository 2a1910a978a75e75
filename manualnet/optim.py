"""Muon: gradient descent whose steps are orthogonal matrices.

Plain gradient descent with momentum is ``torch.optim.SGD``.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by a Newton-Schulz iteration (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/).

    For a weight W, reshaped to a matrix of one row an output, with gradient G:

        B ← μB + G,   M = G + μB (Nesterov),   W ← √rows · W / ‖W‖ − η · orthogonal(M)

    The renormalisation of W before each step is the form that the CIFAR-10 speed record uses: with batch normalisation
    after the layer the size of W does not matter, and keeping it fixed makes η a fixed angle.

    Args:
        params: tensors of two axes or more.
        lr: η.
        momentum: μ.
        nesterov: look ahead along the momentum.
        steps: Newton-Schulz iterations.
        normalize: keep ‖W‖ at √rows.

    >>> import torch
    >>> W = torch.eye(2).requires_grad_()
    >>> (W * torch.tensor([[3.0, 0.0], [0.0, 1.0]])).sum().backward()
    >>> Muon([W], lr=0.1, momentum=0.0, steps=10).step()  # both directions move alike, whatever their gradient
    >>> W.detach().diagonal().round(decimals=1)
    tensor([0.9000, 0.9000])
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 0.02,
        momentum: float = 0.95,
        nesterov: bool = True,
        steps: int = 3,
        normalize: bool = True,
    ):
        if lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f"Muon: lr must be at least 0 and momentum in [0, 1), but lr={lr} and momentum={momentum}")
        defaults = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "steps": steps, "normalize": normalize}
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() < 2:
                    raise ValueError(f"Muon: parameters need two axes or more, but one has shape {tuple(p.shape)}")

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(p.grad)
                update = p.grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer
                if group["normalize"]:
                    p.mul_(len(p) ** 0.5 / p.norm())
                p.add_(orthogonalize(update.flatten(1), group["steps"]).view_as(p), alpha=-group["lr"])
        return loss


def orthogonalize(matrix: Tensor, steps: int) -> Tensor:
    """Bring every singular value near 1: X ← aX + (bA + cA²)X with A = XXᵀ, which acts on singular values alone.

    The coefficients (a, b, c) are Jordan's: as steep as possible at 0 while staying within about 0.7 to 1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.t() if tall else x
    for _ in range(steps):
        gram = x @ x.t()
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.t() if tall else x

"""Gradient descent, plain or with momentum, and Muon, whose steps are orthogonal matrices."""

from collections.abc import Iterable

import torch
from torch import Tensor


class SGD(torch.optim.Optimizer):
    """Gradient descent, with momentum if asked for: ``torch.optim.SGD``, bit for bit.

    For a weight w with gradient g = ∂E/∂w (−g to climb, with ``maximize``), where b starts as the first g:

        g ← g + λw,   b ← μb + (1 − τ)g,   w ← w − η(g + μb) (Nesterov),   w ← w − ηb (else)

    Without momentum that is w ← w − η(g + λw), and with λ = 0 the lecture's w ← w − η ∇E.

    Args:
        params: tensors, or a dict a group of tensors with settings of their own.
        lr: η; a number, or a tensor of one element.
        momentum: μ, the share of the direction that is kept from step to step.
        dampening: τ, by how much new gradients count less in it.
        weight_decay: λ. The gradient of ½λ‖w‖², so a penalty λ‖w‖² is a weight decay of 2λ (S29).
        nesterov: step along the momentum as it will be after this gradient; needs momentum, and no dampening.
        maximize: climb.

    Raises:
        ValueError: η, μ or λ below 0, an η of several elements, or Nesterov without momentum or with dampening.

    A state dict goes from here to ``torch.optim.SGD`` and back. Source: S42.

    >>> import torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> for _ in range(3):  # ½·2w² has the gradient 2w: each step halves w
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.detach()
    tensor([0.1250])
    """

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"SGD: lr must be one number, but is a tensor of shape {tuple(lr.shape)}")
        if lr < 0 or momentum < 0 or weight_decay < 0:
            given = f"lr={float(lr)}, momentum={momentum} and weight_decay={weight_decay}"
            raise ValueError(f"SGD: lr, momentum and weight_decay must be at least 0, but {given}")
        if nesterov and (momentum == 0 or dampening != 0):
            given = f"momentum={momentum} and dampening={dampening}"
            raise ValueError(f"SGD: nesterov needs momentum above 0 and no dampening, but {given}")
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "nesterov": nesterov, "maximize": maximize})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(self._direction(p, **group), alpha=-float(group["lr"]))
        return loss

    def _direction(self, p, *, momentum, dampening, weight_decay, nesterov, maximize, **_) -> Tensor:
        """Where to: a tensor of its own or the buffer, so that the gradient stays as it is."""
        grad = -p.grad if maximize else p.grad
        if weight_decay != 0:
            grad = grad.add(p, alpha=weight_decay)
        if momentum == 0:
            return grad
        state = self.state[p]
        buffer = state.get("momentum_buffer")
        if buffer is None:
            buffer = state["momentum_buffer"] = grad.clone()
        else:
            buffer.mul_(momentum).add_(grad, alpha=1 - dampening)
        return grad.add(buffer, alpha=momentum) if nesterov else buffer


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
        dtype: in which the iteration multiplies, that of the weights if None. A direction needs no more than bfloat16.

    Raises:
        ValueError: ``lr`` is negative, ``momentum`` not in [0, 1), or a parameter has less than two axes.

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
        dtype: torch.dtype | None = None,
    ):
        if lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f"Muon: lr must be at least 0 and momentum in [0, 1), but lr={lr} and momentum={momentum}")
        defaults = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "steps": steps, "normalize": normalize}
        super().__init__(params, {**defaults, "dtype": dtype})
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
                direction = orthogonalize(update.flatten(1), group["steps"], group["dtype"])
                p.add_(direction.view_as(p), alpha=-group["lr"])
        return loss


def orthogonalize(matrix: Tensor, steps: int, dtype: torch.dtype | None = None) -> Tensor:
    """Bring every singular value near 1: X ← aX + (bA + cA²)X with A = XXᵀ, which acts on singular values alone.

    The coefficients (a, b, c) are Jordan's: as steep as possible at 0 while staying within about 0.7 to 1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = (x.t() if tall else x).to(dtype or x.dtype)
    for _ in range(steps):
        gram = x @ x.t()
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.t() if tall else x

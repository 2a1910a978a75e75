"""Batch normalisation in training, alone or with GELU after it, by ``batch_norm.c``."""

import math

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, numbers, pointer


def applies(x: Tensor) -> bool:
    """Matrices, and pictures with their channels innermost, on the CPU."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.numel() >= 1 << 6
        and x.shape[1] <= 1 << 13
        and (x.is_contiguous() if x.dim() == 2 else x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))
        and _library() is not None
    )


def forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, activation: str = "none"
) -> tuple[Tensor, Tensor, Tensor]:
    """y, mean and variance, both in float32."""
    rows = _Rows(x)
    # Counted from the mean of a few, a channel's sum of squares loses no digits to its mean. They come from everywhere,
    # an odd step apart, so that they are not all from one picture or one column.
    pixels = x.movedim(1, -1).reshape(-1, x.shape[1])
    shift = pixels[:: rows.pixels // 64 | 1].float().mean(0).nan_to_num(0.0, 0.0, 0.0)
    sums = rows.sums()
    rows.run("moments", x, rows.spread(shift), sums)
    first, second = rows.gather(sums) / rows.pixels
    mean, v = (shift + first).float(), (second - first * first).clamp_(min=0).float()
    return evaluate(x, mean, v, weight, bias, eps, activation), mean, v


def evaluate(
    x: Tensor,
    mean,
    v,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    activation: str = "none",
) -> Tensor:
    """y with the statistics ``mean`` and ``v`` of each channel."""
    rows, y, mean, v = _Rows(x), torch.empty_like(x), mean.float(), v.float()
    rows.run(f"norm_{activation}", x, y, *map(rows.spread, (mean, *_affine(weight, bias, v, eps))))
    return y


def backward(
    grad_out: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    v: Tensor,
    eps: float,
    cotangents: tuple[Tensor, Tensor],
    needs: tuple[bool, bool, bool],
    activation: str = "none",
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """∂L/∂x, ∂L/∂weight and ∂L/∂bias as far as they are needed; ``cotangents`` are those of mean and variance."""
    rows = _Rows(x)
    g = grad_out.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format)
    scale, shift = _affine(weight, bias, v, eps)
    constants = [rows.spread(t) for t in (mean, scale, shift)]
    sums = rows.sums()
    rows.run(f"sums_{activation}", g, x, *constants, sums)
    sum_dz, sum_dzc = rows.gather(sums).float()
    grad_x = None
    if needs[0]:
        m = rows.pixels
        slope = (2 * cotangents[1] - scale * sum_dzc / (v + eps)) / m
        grad_x = torch.empty_like(x)
        rows.run(
            f"back_{activation}", g, x, grad_x, *constants, *map(rows.spread, (sum_dz / m, slope, cotangents[0] / m))
        )
    return grad_x, sum_dzc * (v + eps).rsqrt() if needs[1] else None, sum_dz if needs[2] else None


class _Rows:
    """x as rows of channels; several pixels make one row where that fills whole vectors."""

    def __init__(self, x: Tensor):
        self.type, self.channels = NAMES[x.dtype], x.shape[1]
        self.pixels = x.numel() // self.channels
        self.fold = 16 // math.gcd(self.channels, 16)
        if self.pixels % self.fold:
            self.fold = 1
        self.shape = numbers(self.pixels // self.fold, self.channels * self.fold)
        self.threads = torch.get_num_threads()

    def spread(self, channels: Tensor) -> Tensor:
        return channels.float().repeat(self.fold)

    def sums(self) -> Tensor:
        return torch.zeros(self.threads, 2, self.fold * self.channels, dtype=torch.float64)

    def gather(self, sums: Tensor) -> Tensor:
        return sums.view(self.threads, 2, self.fold, self.channels).sum((0, 2))

    def run(self, name: str, *tensors: Tensor) -> None:
        getattr(_library(), f"{name}_{self.type}")(*map(pointer, tensors), self.shape, self.threads)


def _affine(weight: Tensor | None, bias: Tensor | None, v: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The factor and the summand of each channel, in float32."""
    r = (v + eps).rsqrt()
    return r if weight is None else r * weight.float(), torch.zeros_like(v) if bias is None else bias.float()


def _library():
    return load("numbers.h", "share.h", "exp.h", "gelu.h", "batch_norm.c")

"""Batch normalisation in training on the CPU, in pieces that stay in the cache; the rule is the class's own."""

import torch
from torch import Tensor

from manualnet.functional._chunks import CHUNK


def forward(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """One pass for mean and variance and one for y, through ATen's kernel.

    Momentum 1 makes the kernel write the batch's mean and unbiased variance into the statistics that it is handed.
    """
    channels, m = x.shape[1], x.numel() // x.shape[1]
    dtype = torch.promote_types(x.dtype, torch.float32)
    mean, v = (torch.zeros(channels, dtype=dtype) for _ in range(2))
    # PyTorch's kernel takes half precision beside float32 statistics with float32 parameters alone.
    weight, bias = (None if t is None else t.to(mean.dtype) for t in (weight, bias))
    y = torch.native_batch_norm(x, weight, bias, mean, v, True, 1.0, eps)[0]
    return y, mean, v.mul_((m - 1) / m)


def backward(
    g: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, v: Tensor, eps: float, cotangents: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """∂L/∂x, ∂L/∂weight and ∂L/∂bias; ``cotangents`` are those of mean and variance."""
    channels = x.shape[1]
    grad_x = torch.empty_like(x)
    rows = [t.permute(0, 2, 3, 1).reshape(-1, channels) for t in (g, x, grad_x)]
    m, size = len(rows[0]), max(1, CHUNK // channels)
    pieces = list(zip(*(t.split(size) for t in rows), strict=True))
    r = (v + eps).rsqrt()
    sum_g, sum_gc = torch.zeros_like(mean), torch.zeros_like(mean)
    for g_piece, x_piece, _ in pieces:
        wide = g_piece.to(mean.dtype)
        sum_g += wide.sum(0)
        sum_gc += (x_piece - mean).mul_(wide).sum(0)
    scale = r if weight is None else r * weight
    shift = (cotangents[0] - scale * sum_g) / m
    slope = (2 * cotangents[1] - scale * sum_gc / (v + eps)) / m
    for g_piece, x_piece, target in pieces:
        target.copy_((x_piece - mean).mul_(slope).add_(shift).addcmul_(g_piece.to(mean.dtype), scale))
    return grad_x, r * sum_gc, sum_g


def applies(x: Tensor) -> bool:
    """Pictures on the CPU with their channels innermost."""
    return (
        x.dim() == 4 and x.device.type == "cpu" and x.numel() > 0 and x.is_contiguous(memory_format=torch.channels_last)
    )

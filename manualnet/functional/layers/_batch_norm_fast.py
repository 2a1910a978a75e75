"""Batch normalisation in training on the CPU, in pieces that stay in the cache; the rule is the class's own."""

import torch
from torch import Tensor

from manualnet.functional._chunks import pieces


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


def backward(g, x, weight, bias, mean, v, eps, cotangents, needs):
    """∂L/∂x, ∂L/∂weight and ∂L/∂bias as far as they are needed; ``cotangents`` are those of mean and variance."""
    need_x, need_weight, need_bias, *_ = needs
    g_rows, x_rows = _rows(g), _rows(x)
    r = (v + eps).rsqrt()
    sum_g, sum_gc = torch.zeros_like(mean), torch.zeros_like(mean)
    for g_piece, x_piece in pieces(g_rows, x_rows):
        wide = g_piece.to(mean.dtype)
        if need_x or need_bias:
            sum_g += wide.sum(0)
        if need_x or need_weight:
            sum_gc += (x_piece - mean).mul_(wide).sum(0)
    grad_x = None
    if need_x:
        grad_x, m = torch.empty_like(x), len(x_rows)
        scale = r if weight is None else r * weight
        shift, mean_g = cotangents[0] / m, sum_g / m
        slope = (2 * cotangents[1] - scale * sum_gc / (v + eps)) / m
        for g_piece, x_piece, target in pieces(g_rows, x_rows, _rows(grad_x)):
            target.copy_((x_piece - mean).mul_(slope).add_(shift).addcmul_(g_piece - mean_g, scale))
    grad_weight = (r * sum_gc).to(weight.dtype) if need_weight else None
    return grad_x, grad_weight, sum_g.to(bias.dtype) if need_bias else None


def _rows(t: Tensor) -> Tensor:
    """A row a pixel, a column a channel."""
    return t.permute(0, 2, 3, 1).reshape(-1, t.shape[1])


def applies(x: Tensor) -> bool:
    """Pictures on the CPU with their channels innermost."""
    return x.device.type == "cpu" and bool(x.numel()) and x.is_contiguous(memory_format=torch.channels_last)

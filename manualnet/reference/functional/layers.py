"""Layers that torch.nn.functional lacks, from primitives that PyTorch differentiates."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import stochastic_depth

__all__ = ["batch_norm_gelu", "batch_norm_relu", "conv2d_max_pool2d", "stochastic_depth", "stochastic_pool2d"]


def batch_norm_gelu(
    input: Tensor, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
) -> Tensor:
    """PyTorch's two functions, one after the other."""
    statistics = running_mean, running_var
    return F.gelu(F.batch_norm(input, *statistics, weight, bias, training, momentum, eps))


def batch_norm_relu(
    input: Tensor, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
) -> Tensor:
    """PyTorch's two functions, one after the other."""
    statistics = running_mean, running_var
    return F.relu(F.batch_norm(input, *statistics, weight, bias, training, momentum, eps))


def conv2d_max_pool2d(
    input: Tensor, weight: Tensor, bias=None, stride=1, padding=0, dilation=1, groups=1, pool_size=2
) -> Tensor:
    """PyTorch's two functions, one after the other."""
    return F.max_pool2d(F.conv2d(input, weight, bias, stride, padding, dilation, groups), pool_size)


def stochastic_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    training: bool = True,
) -> Tensor:
    """Windows as an axis of their own: gathered at the drawn element, or averaged with its probabilities."""
    if 0 in input.shape[-3:]:
        raise RuntimeError(
            f"only the batch may be empty, as in PyTorch's pooling, but the input is {tuple(input.shape)}"
        )
    kernel, step, (top, left) = (
        (n, n) if isinstance(n, int) else n for n in (kernel_size, stride or kernel_size, padding)
    )

    def unfold(x: Tensor, border: float) -> Tensor:
        padded = torch.nn.functional.pad(x, (left, left, top, top), value=border)
        return padded.unfold(-2, kernel[0], step[0]).unfold(-2, kernel[1], step[1]).flatten(-2)

    if training:
        rates = unfold(input.detach().clamp(min=0), border=-1.0)  # so that the border never wins
        race = rates / torch.empty_like(rates).exponential_()
        return unfold(input, border=0.0).gather(-1, race.argmax(-1, keepdim=True)).squeeze(-1)
    a = unfold(torch.where(input < 0, 0, input), border=0.0)  # the slope at 0 is the one from above
    total = a.sum(-1)
    return torch.where(total == 0, 0, (a * a).sum(-1) / torch.where(total == 0, 1, total))

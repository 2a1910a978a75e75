"""The weight gradient of a convolution whose channels do not see each other, by ``conv2d_depthwise.c``."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, channels_last, fits, numbers, threads_for

# Cotangents below which the call is over before a compiled path pays.
_WORTH = 1 << 8


def conv2d_weight(grad_out: Tensor, x: Tensor, weight_shape, stride, padding, dilation, groups) -> Tensor | None:
    """Σ_n Σ_p g[n,c,p] x[n,c,s p + d k − pad], of shape (C, 1, kernel height, width); None where it is no such one."""
    n, c, h, w = x.shape
    if not fits(x) or grad_out.dtype is not x.dtype or groups != c or weight_shape[0] != c:
        return None
    if groups == 1 or grad_out.numel() < _WORTH:
        return None
    kernel = getattr(
        load("numbers.h", "share.h", "totals.h", "conv2d_depthwise.c"), f"depthwise_weight_{NAMES[x.dtype]}", None
    )
    if kernel is None:
        return None
    kh, kw = weight_shape[2:]
    grad = torch.empty(kh, kw, c, dtype=x.dtype)
    shape = numbers(n, c, h, w, *grad_out.shape[2:], kh, kw, *stride, *padding, *dilation)
    if call(kernel, channels_last(x), channels_last(grad_out), grad, shape, threads_for(grad_out.numel() * kh * kw)):
        return None
    return grad.permute(2, 0, 1).unsqueeze(1)

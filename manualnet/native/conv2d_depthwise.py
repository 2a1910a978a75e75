"""The weight gradient of a convolution whose channels do not see each other, by ``conv2d_depthwise_planes.c`` where
each has its plane and by ``conv2d_depthwise.c`` elsewhere."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, numbers, threads_for
from manualnet.native.pixels import channels_last

# Cotangents below which the call is over before a compiled path pays.
_WORTH = 1 << 8


def conv2d_weight(grad_out: Tensor, x: Tensor, weight_shape, stride, padding, dilation, groups) -> Tensor | None:
    """Σ_n Σ_p g[n,c,p] x[n,c,s p + d k − pad], of shape (C, 1, kernel height, width); None where it is no such one."""
    n, c, h, w = x.shape
    if not fits(x) or grad_out.dtype is not x.dtype or groups != c or weight_shape[0] != c:
        return None
    if groups == 1 or grad_out.numel() < _WORTH:
        return None
    shape = numbers(n, c, h, w, *grad_out.shape[2:], *weight_shape[2:], *stride, *padding, *dilation)
    threads = threads_for(grad_out.numel() * weight_shape[2:].numel())
    if tuple(stride) == (1, 1) and x.is_contiguous() and grad_out.is_contiguous():
        kernel = _kernel("depthwise_planes_weight", x, "vectors.h", "conv2d_depthwise_planes.c")
        grad = torch.empty(weight_shape, dtype=x.dtype)
        if kernel is not None and not call(kernel, x, grad_out, grad, shape, threads):
            return grad
    kernel = _kernel("depthwise_weight", x, "totals.h", "conv2d_depthwise.c")
    grad = torch.empty(*weight_shape[2:], c, dtype=x.dtype)
    if kernel is None or call(kernel, channels_last(x), channels_last(grad_out), grad, shape, threads):
        return None
    return grad.permute(2, 0, 1).unsqueeze(1)


def _kernel(name: str, x: Tensor, *files: str):
    return getattr(load("numbers.h", "share.h", *files), f"{name}_{NAMES[x.dtype]}", None)

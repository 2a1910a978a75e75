"""The weight gradient of a linear layer, by ``linear_weight_tiles.c`` where the processor multiplies tiles of bfloat16
numbers and elsewhere by ``conv2d_weight.c``, to which rows are the places of a picture."""

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, multiplies_tiles

# Products from which on a compiled path pays.
_WORTH = 1 << 21

# Outputs up to which it takes half to three quarters of PyTorch's time in float32 on processors without tiles (on those
# with them PyTorch's product is a fifth faster), and, by tiles, outputs from which on and rows up to which.
_FEW, _MANY, _ROWS = 32, 64, 2048


def worth(grad_out: Tensor, x: Tensor, weight_type: torch.dtype) -> bool:
    """Whether :func:`linear_weight` is for these: elsewhere PyTorch's product is as fast, its rounding included."""
    (n, o), i = grad_out.shape, x.shape[1]
    if n * o * i < _WORTH or i % 16 or not fits(x) or grad_out.dtype is not x.dtype:
        return False
    return _faster(n, o, x.dtype, weight_type) and grad_out.is_contiguous() and x.is_contiguous()


def _faster(n: int, o: int, dtype: torch.dtype, weight_type: torch.dtype) -> bool:
    if dtype is torch.float32:
        return o <= _FEW and not multiplies_tiles()
    if multiplies_tiles():
        return o >= _MANY and n <= _ROWS and weight_type is torch.float32
    return n % 2 == 0  # two numbers at a time


def linear_weight(grad_out: Tensor, x: Tensor) -> Tensor | None:
    """Gᵀ X for G (N, O) and X (N, I), as (O, I) in float32; None where another way must be gone."""
    if x.dtype is torch.bfloat16 and multiplies_tiles():
        kernel = getattr(load("numbers.h", "tiles.h", "linear_weight_tiles.c"), "linear_weight_tiles", None)
    else:
        kernel = getattr(
            load("numbers.h", "share.h", "vectors.h", "conv2d_weight.c"), f"linear_weight_{NAMES[x.dtype]}", None
        )
    if kernel is None:
        return None
    (n, o), i = grad_out.shape, x.shape[1]
    product = torch.empty(o, i)
    failed = call(kernel, grad_out, x, product, n, o, i, torch.get_num_threads())
    return None if failed else product

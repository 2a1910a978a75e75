"""PyTorch's products, which of half precision run in float32 where the processor does not multiply such numbers.

Its kernels for them take up to a hundred times as long there, and that of transposed convolutions rounds its sums on
the way. In float32 every product of two such numbers is exact, and a sum is rounded once, at the end.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from manualnet.functional._dtypes import HALF, cast, uncast

Product = Callable[..., Tensor]

# Products from which on it pays to copy the factors.
_WORTH = 1 << 16


def in_float32(axis: int, worth: int = _WORTH) -> Callable[[Product], Product]:
    """Let a function of two factors, of which the first is summed along ``axis``, multiply what is slow in float32.

    ``worth``: the products from which on it does.
    """

    def decorate(product: Product) -> Product:
        @functools.wraps(product)
        def run(x, y, *others):
            factors = _wide(x, y, *others) if slow(x) and worth <= _products(x, y, axis) else None
            if factors is None:
                return product(x, y, *others)
            with uncast(x):
                return product(*factors).to(x.dtype)

        return run

    return decorate


def slow(x: Tensor) -> bool:
    """Whether it is of half precision that the processor does not multiply."""
    return x.dtype in HALF and x.is_cpu and not multiplies(x.dtype)


@functools.cache
def multiplies(dtype: torch.dtype) -> bool:
    """Whether PyTorch has products of them for this processor; without oneDNN those of float32 are no faster."""
    if not torch.backends.mkldnn.is_available():
        return True
    known = torch.ops.mkldnn
    return known._is_mkldnn_bf16_supported() if dtype is torch.bfloat16 else known._is_mkldnn_fp16_supported()


def _products(x: Tensor, y: Tensor, axis: int) -> int:
    """About how many there are; of a single row or column, for which PyTorch's kernels take no longer, 0."""
    summed = x.shape[axis] if x.dim() > 1 else 0
    return x.numel() * y.numel() // summed if 0 < summed < min(x.numel(), y.numel()) else 0


def _wide(x: Tensor, *others) -> list | None:
    """The arguments in float32; None where tensors are of other types, which is for PyTorch to refuse.

    Where autocast is on they are rounded to the type of the first before, as PyTorch does.
    """
    if torch.is_autocast_enabled("cpu"):
        others = tuple([cast(a, x.dtype) if isinstance(a, Tensor) else a for a in others])
    arguments = [x, *others]
    if any(isinstance(a, Tensor) and a.dtype is not x.dtype for a in arguments):
        return None
    return [a.float() if isinstance(a, Tensor) else a for a in arguments]


_matmul = in_float32(axis=-1)(torch.matmul)
linear = in_float32(axis=-1)(torch.nn.functional.linear)
conv2d = in_float32(axis=1)(torch.nn.functional.conv2d)
# Of any size, since it is this one that rounds its sums on the way.
conv_transpose2d = in_float32(axis=1, worth=0)(torch.nn.functional.conv_transpose2d)


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """X Y; a single row or column, and sums of one product, by the kernels made for them.

    As matrices they take up to four times as long in float32, and up to thirty times in half precision.
    """
    if x.dim() == y.dim() == 2 and x.shape[1] == len(y) and x.dtype is y.dtype and x.is_floating_point():
        if len(y) == 1:
            return x * y
        row, column = len(x) == 1, y.shape[1] == 1
        if row and column:
            return torch.dot(x.squeeze(0), y.squeeze(1)).view(1, 1)
        if column:
            return torch.mv(x, y.squeeze(1)).unsqueeze(1)
        if row:
            return torch.mv(y.t(), x.squeeze(0)).unsqueeze(0)
    return _matmul(x, y)

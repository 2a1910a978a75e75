"""One matrix and a batch of others.

For W @ x with a batch x PyTorch goes by whether W requires a gradient, also where nothing is recorded: if so it copies
the batch, its columns as rows, for a single product, and the result back; if not it multiplies one by one. Either takes
up to tens of times as long as the other, and which does depends on the sizes.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from manualnet.functional import _multiply as multiply
from manualnet.functional._dtypes import HALF
from manualnet.functional._shapes import as_rows, sum_to

# Columns from which on products one by one are faster; in half precision, whose small products leave much of the
# processor idle, a fifth of a large matrix's side.
_COLUMNS, _SHARE = 16, 5


@multiply.in_float32(axis=-1)
def times_batch(x: Tensor, y: Tensor) -> Tensor:
    """X Y for X (m, k) and each Y (…, k, n), as (…, m, n)."""
    if few_columns(x, y):
        return with_columns_as_rows(torch.matmul, x, y)
    # Transposed, in half precision, it would be laid out for each of them anew.
    x = x.contiguous() if x.dtype in HALF else x
    return torch.matmul(x.expand(*y.shape[:-2], *x.shape), y)


def few_columns(x: Tensor, y: Tensor) -> bool:
    """Whether one product of all columns is faster than a batch of products (m, k) by (k, n)."""
    n = y.shape[-1]
    return y.is_cpu and (n < _COLUMNS or (y.dtype in HALF and (_SHARE * n) ** 2 < x.numel()))


def with_columns_as_rows(product: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """X Y by ``product``, a function of two matrices: each column of a Y is a row of the first."""
    rows = product(as_rows(y.mT), x.t())
    return rows.view(*y.shape[:-2], y.shape[-1], len(x)).mT.contiguous()


def sum_of_products(g: Tensor, y: Tensor) -> Tensor:
    """Σ G Yᵀ over the batch of G (…, m, n) and Y (…, k, n), as (m, k)."""
    shape = g.shape[-2], y.shape[-2]
    # One by one they would be rounded before they are added, or take more room than what they are made of.
    if g.dtype in HALF or y.shape[:-2].numel() * shape[0] * shape[1] > g.numel() + y.numel():
        return multiply.matmul(_lines(g), _lines(y).t())
    return sum_to(multiply.matmul(g, y.mT), shape)


def _lines(t: Tensor) -> Tensor:
    """(…, m, n) as (m, … n): long runs are copied, where rows of columns would be picked number by number."""
    t = t.movedim(-2, 0)
    return t.reshape(len(t), math.prod(t.shape[1:]))

"""Sums of products over the axes that broadcasting stretched, by ``product_sums.c``."""

import math
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from manualnet.native.build import load
from manualnet.native.call import NAMES, call, fits, laid_like, threads_for
from manualnet.native.pixels import is_channels_last, is_dense

# Elements below which a call is over before a compiled path pays, and numbers from which on a row is long enough for
# its loop to run at full speed: shorter ones are taken together.
_WORTH, _LONG = 1 << 12, 1 << 8


def product_sums(x: Tensor, y: Tensor | None, shape: torch.Size) -> Tensor | None:
    """x y, or without y x, summed to ``shape``, which broadcasts to that of x as y does, in float32; None where another
    way must be gone."""
    if x.numel() < _WORTH or not fits(x) or (y is not None and y.dtype is not x.dtype):
        return None
    if y is not None and y.shape != x.shape:
        y = torch.empty_like(x).copy_(y)
    elif y is not None and is_dense(x):
        y = laid_like(y, x)
    elif y is not None:
        x = laid_like(x, y)
    kept = (1,) * (x.dim() - len(shape)) + tuple(shape)
    both, size = [x] if y is None else [x, y], tuple(x.shape)
    innermost = not all(t.is_contiguous() for t in both)
    if innermost:
        if x.dim() != 4 or not all(map(is_channels_last, both)):
            return None
        size, kept = (tuple(n[i] for i in (0, 2, 3, 1)) for n in (size, kept))
    sizes = _together(size, kept)
    kernel = getattr(
        load("numbers.h", "share.h", "totals.h", "turn.h", "product_sums.c"), f"product_sums_{NAMES[x.dtype]}", None
    )
    if sizes is None or kernel is None:
        return None
    m, n, c, p = sizes
    fold = 1
    while m == p == 1 and n % (2 * fold) == 0 and c * fold < _LONG:
        fold *= 2
    sums = torch.empty(fold, m * c)
    if call(kernel, x, y, sums, m, n // fold, c * fold, p, threads_for(x.numel())):
        return None
    sums = (sums.sum(0) if fold > 1 else sums).view(kept)
    return (sums.permute(0, 3, 1, 2) if innermost else sums).reshape(shape)


def _together(shape: tuple[int, ...], kept: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """The elements of axes (m, n, c, p), of which m and c are kept and m or p is 1; None where there are more groups of
    neighbours."""
    axes = [(n, k > 1) for n, k in zip(shape, kept, strict=True) if n > 1]
    groups = [(stay, math.prod(n for n, _ in group)) for stay, group in groupby(axes, key=itemgetter(1))]
    stays, sizes = [stay for stay, _ in groups], [size for _, size in groups]
    if stays == [False]:
        return 1, 1, 1, sizes[0]
    if stays == [True, False, True]:
        m, n, c = sizes
        return m, n, c, 1
    if stays[:1] == [True]:
        sizes = [1, *sizes]
    if len(sizes) > 3:
        return None
    n, c, p = (*sizes, 1, 1, 1)[:3]
    return 1, n, c, p

"""Rules over cache-sized pieces, so that a chain of steps never leaves the cache."""

from collections.abc import Iterator

from torch import Tensor

# Elements a piece: a few float32 buffers of this size fit into the caches of two cores, and each step is long enough
# to be worth handing to a second thread.
CHUNK = 131_072


def rows(per_row: int, limit: int) -> int:
    """How many rows of ``per_row`` elements to take at a time: ``limit`` elements, but no less than a row."""
    return max(1, limit // max(1, per_row))


def pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors cut along their first axis alike, the first of them into pieces of ``CHUNK`` elements."""
    size = rows(tensors[0].shape[1:].numel(), CHUNK)
    return zip(*(t.split(size) for t in tensors), strict=True)

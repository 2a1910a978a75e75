"""An order of labelled images that their contents alone decide, whichever file they came from."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np


def records(labels: np.ndarray, images: np.ndarray) -> np.ndarray:
    """(N,) labels and (N, 3, 32, 32) images as (N, 3073) bytes as in the binary version: label, pixels."""
    pixels = images.reshape(len(images), -1)
    return np.concatenate([labels.astype(np.uint8)[:, None], pixels], axis=1)


def keys(rows: np.ndarray) -> list[bytes]:
    """One hash for each record. Equal records have equal keys, so their order among themselves changes nothing."""
    return [blake2b(row, digest_size=16).digest() for row in np.ascontiguousarray(rows)]


def order(of: Sequence[bytes]) -> np.ndarray:
    """Indices that sort the records by their keys."""
    return np.array(sorted(range(len(of)), key=of.__getitem__), dtype=np.int64)


def fingerprint(of: Sequence[bytes]) -> str:
    """One hash of all records that their order does not change; one bit of one record, or a second copy of it, does."""
    return blake2b(b"".join(sorted(of)), digest_size=16).hexdigest()

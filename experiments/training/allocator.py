"""Memory that stays ours: large blocks are kept for the next step instead of going back to the system.

On Linux a training step's buffers are mapped, zeroed page by page and unmapped again at every step, which takes about
a third of the time. Huge pages and a malloc that keeps its memory do away with that.
"""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def tame() -> bool:
    """Keep freed memory and use huge pages; call it before torch is imported. True where it took effect."""
    if not sys.platform.startswith("linux"):
        return False
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # a C library other than glibc
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))

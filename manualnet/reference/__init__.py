"""The twins: manualnet's names, differentiated by PyTorch's autograd.

``build(ns)`` with ``ns.nn`` and ``ns.functional`` makes the same network from ``manualnet`` and from
``manualnet.reference``.
"""

from manualnet.reference import functional, nn

__all__ = ["functional", "nn"]

"""Fast paths in C: the formulas of :mod:`manualnet.functional` again, where a compiler is found.

They are never needed. Every operation has its formula in PyTorch's terms, which runs wherever PyTorch does; what is
here computes the same for large plain tensors on the CPU, and the proof compares the two.
"""

from manualnet.native.build import available

__all__ = ["available"]

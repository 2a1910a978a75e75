"""Neural-network basics with every gradient derived by hand, proven against PyTorch.

``manualnet.functional`` is the mathematics, ``manualnet.nn`` the modules, ``manualnet.reference`` the same names
differentiated by PyTorch's autograd.
"""

from manualnet import functional, nn, reference

__version__ = "0.1.0"
__all__ = ["functional", "nn", "reference"]

"""Neural-network basics with every gradient derived by hand, proven against PyTorch.

``manualnet.functional`` is the mathematics, ``manualnet.nn`` the modules, ``manualnet.reference`` the same names
differentiated by PyTorch's autograd.
"""

__version__ = "0.1.0"

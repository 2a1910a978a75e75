"""Neural-network basics with every gradient derived by hand, proven against PyTorch.

``manualnet.functional`` is the mathematics, ``manualnet.nn`` the modules, ``manualnet.reference`` the same names
differentiated by PyTorch's autograd. ``manualnet.graph`` shows what an expression computes and how its gradients flow
back; ``manualnet.numeric`` computes gradients by differences.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manualnet import functional, graph, nn, numeric, reference

__version__ = "0.1.0"
__all__ = ["functional", "graph", "nn", "numeric", "reference"]


def __getattr__(name: str):
    # torch takes seconds to import: --help, --list and every start of pytest, which loads our plugin, do without it.
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

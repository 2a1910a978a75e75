"""Every function with a gradient derived by hand: one operation a file, in a folder a family.

Where a name is PyTorch's, so are signature, defaults, behaviour and exceptions.
"""

from manualnet.functional import activations, arithmetic, blocks, layers, losses, penalties
from manualnet.functional.activations import *  # noqa: F403
from manualnet.functional.arithmetic import *  # noqa: F403
from manualnet.functional.blocks import *  # noqa: F403
from manualnet.functional.layers import *  # noqa: F403
from manualnet.functional.losses import *  # noqa: F403
from manualnet.functional.penalties import *  # noqa: F403

__all__ = [
    *activations.__all__,
    *losses.__all__,
    *penalties.__all__,
    *layers.__all__,
    *arithmetic.__all__,
    *blocks.__all__,
]


def __getattr__(name: str):
    import torch

    if name.startswith("__"):
        raise AttributeError(name)
    elsewhere = next((m.__name__ for m in (torch.nn.functional, torch) if hasattr(m, name)), None)
    hint = f"; {elsewhere}.{name} exists, with a gradient that PyTorch derives" if elsewhere else ""
    raise AttributeError(f"manualnet.functional has no hand-written {name!r}{hint}")

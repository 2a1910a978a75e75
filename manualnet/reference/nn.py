"""torch.nn's modules; those that PyTorch lacks are manualnet's with the twin's functions."""

import torch.nn

__all__: list[str] = []


def __getattr__(name: str):
    if not name.startswith("__") and hasattr(torch.nn, name):
        return getattr(torch.nn, name)
    raise AttributeError(f"neither torch.nn nor manualnet.reference.nn has {name!r}")

"""Which axis softmax takes when none is named."""

import warnings

import torch


def implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """PyTorch's choice, with its warning; ``stacklevel`` counts from here."""
    if not torch.compiler.is_compiling():  # a warning would break the graph
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. "
            "Change the call to include dim=X as an argument.",
            stacklevel=stacklevel,
        )
    return 0 if ndim in (0, 1, 3) else 1

"""Dropout (Srivastava et al. 2014): elements set to zero at random."""

import torch
from torch import Tensor

from manualnet.functional._errors import need_real
from manualnet.functional.layers._noise import MultiplyNoise, scaled_mask


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to zero with probability p and divide the others by 1 - p; what survives keeps its gradient.

    y = x n with the noise n = 0 or 1 / (1 - p), whose mean is 1, so ∂L/∂x = n ∂L/∂y. The noise is PyTorch's on the
    CPU, draw for draw.

    Args:
        input: floating, any shape.
        p: the probability of a zero.
        training: if False, the input is returned.
        inplace: write the result into ``input``.

    Returns:
        A tensor of the shape of ``input``.

    Raises:
        ValueError: ``p`` is not in [0, 1].
        RuntimeError: ``input`` is integer and would be scaled; in place, a leaf that requires a gradient.
        NotImplementedError: ``input`` is complex.

    Source: S30. Signature and behaviour: ``torch.nn.functional.dropout``.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.ones(5, requires_grad=True)
    >>> y = dropout(x, 0.2)
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([0.0000, 1.2500, 1.2500, 0.0000, 1.2500]), tensor([0.0000, 1.2500, 1.2500, 0.0000, 1.2500]))
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    need_real("dropout", input=input)
    if p == 0 or not training or input.numel() == 0:
        return input
    noise = scaled_mask(torch.empty_like(input), float(p))
    y = MultiplyNoise.apply(input, noise)
    return input.copy_(y) if inplace else y

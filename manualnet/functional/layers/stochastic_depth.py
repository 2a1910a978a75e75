"""Stochastic depth (Huang et al. 2016): a residual branch left out at random."""

import torch
from torch import Tensor

from manualnet.functional._errors import refuse_complex
from manualnet.functional.layers._noise import MultiplyNoise, scaled_mask


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Set whole examples to zero with probability p and divide the others by 1 - p.

    y = x n with one draw n = 0 or 1 / (1 - p) for each example or for the batch, so ∂L/∂x = n ∂L/∂y. For p < 1 the
    noise is torchvision's, draw for draw.

    Args:
        input: (N, …), what the residual branch computed.
        p: the probability of leaving it out.
        mode: ``"row"`` draws for each example, ``"batch"`` once.
        training: if False, the input is returned.

    Returns:
        A tensor of the shape of ``input``.

    Raises:
        ValueError: ``p`` is not in [0, 1], or there is no such mode.
        NotImplementedError: ``input`` is complex.

    Source: S30; Huang et al. 2016, arXiv 1603.09382. Signature and behaviour:
    ``torchvision.ops.stochastic_depth``.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.ones(3, 2, requires_grad=True)
    >>> stochastic_depth(x, 0.2, "row").sum().backward()
    >>> x.grad
    tensor([[0.0000, 0.0000],
            [1.2500, 1.2500],
            [1.2500, 1.2500]])
    """
    refuse_complex("stochastic_depth", input)
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0:
        return input
    shape = [1] * input.dim()
    if mode == "row":
        shape[0] = input.shape[0]
    noise = torch.empty(shape, dtype=input.dtype, device=input.device)
    return MultiplyNoise.apply(input, scaled_mask(noise, p))

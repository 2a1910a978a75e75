"""Batch normalisation and GELU after it, as one operation."""

import torch
from torch import Tensor

from manualnet.functional.activations.gelu import gelu, times_slope
from manualnet.functional.blocks._normalised import Normalised, NormalisedEvaluation, normalised


class BatchNormGELU(Normalised):
    """y = z Φ(z), where z is x normalised over the batch; then the rule of :class:`Normalised` with GELU's slope:

    ∂L/∂z = ∂L/∂y · (Φ(z) + z φ(z))
    """

    name = "gelu"
    times_slope = staticmethod(times_slope)

    @staticmethod
    def activate(z):
        return torch.nn.functional.gelu(z)


class BatchNormGELUEvaluation(NormalisedEvaluation):
    """The same with the running statistics, which are constants, as μ and v."""

    rule = BatchNormGELU


def batch_norm_gelu(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """gelu(batch_norm(input)), keeping one tensor for the backward pass in place of two, and rounding once.

    y = zΦ(z) with z = (x - μ) / √(v + ε) · weight + bias; ∂L/∂z = ∂L/∂y (Φ(z) + zφ(z)), and from there on the rule of
    :func:`batch_norm`.

    Args:
        input: (N, C) or (N, C, …). Half precision may come with float32 parameters and statistics.
        running_mean, running_var: (C), moved in training and used in evaluation, as by :func:`batch_norm`.
        weight, bias: (C), or None for 1 and 0.
        training: take μ and v from the batch.
        momentum: of the running statistics.
        eps: ε, added to the variance.

    Returns:
        A tensor of the shape, type and memory format of ``input``.

    Raises:
        ValueError, RuntimeError, IndexError, NotImplementedError: as :func:`batch_norm`.

    Source: S30 and Hendrycks and Gimpel 2016, arXiv:1606.08415. Equal to PyTorch's two functions, one after the other.

    >>> import torch
    >>> from manualnet.functional import batch_norm
    >>> x = torch.tensor([[1.0], [2.0], [6.0]], requires_grad=True)
    >>> y = batch_norm_gelu(x, None, None, training=True)
    >>> y.detach().flatten()
    tensor([-0.1641, -0.1489,  1.2742])
    >>> torch.equal(y, gelu(batch_norm(x, None, None, training=True)))
    True
    """
    rest = running_mean, running_var, weight, bias, training, momentum, eps
    return normalised(BatchNormGELU, BatchNormGELUEvaluation, gelu, input, *rest)

"""Batch normalisation and ReLU after it, as one operation."""

import torch
from torch import Tensor

from manualnet.functional.activations.relu import relu
from manualnet.functional.blocks._normalised import Normalised, NormalisedEvaluation, normalised
from manualnet.functional.layers._normalisation import normalise


class BatchNormReLU(Normalised):
    """y = max(0, z), where z is x normalised over the batch; then the rule of :class:`Normalised` with ReLU's slope:

    ∂L/∂z = ∂L/∂y where z > 0, else 0

    The kink at z = 0 has slope 0.
    """

    name = "relu"

    @staticmethod
    def activate(z):
        return torch.relu(z)

    @staticmethod
    def again(x, weight, bias, mean, v, eps):
        # Its sign alone counts, which is a constant, and that of forward.
        x, weight, bias, mean, v = (None if t is None else t.detach() for t in (x, weight, bias, mean, v))
        return normalise(x, mean, v, weight, bias, eps)

    @staticmethod
    def times_slope(g, z):
        return g.masked_fill(z <= 0, 0)


class BatchNormReLUEvaluation(NormalisedEvaluation):
    """The same with the running statistics, which are constants, as μ and v."""

    rule = BatchNormReLU


def batch_norm_relu(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """relu(batch_norm(input)), keeping one tensor for the backward pass in place of two.

    y = max(0, z) with z = (x - μ) / √(v + ε) · weight + bias; ∂L/∂z = ∂L/∂y where z > 0 and 0 elsewhere, 0 included,
    and from there on the rule of :func:`batch_norm`.

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

    Source: S30; Ioffe & Szegedy 2015, arXiv:1502.03167. Equal to PyTorch's two functions, one after the other.

    >>> import torch
    >>> x = torch.tensor([[1.0], [2.0], [6.0]], requires_grad=True)
    >>> y = batch_norm_relu(x, None, None, training=True)
    >>> y.sum().backward()
    >>> y.detach().flatten(), x.grad.flatten()
    (tensor([0.0000, 0.0000, 1.3887]), tensor([ 0.0441, -0.0551,  0.0110]))
    """
    rest = running_mean, running_var, weight, bias, training, momentum, eps
    return normalised(BatchNormReLU, BatchNormReLUEvaluation, relu, input, *rest)

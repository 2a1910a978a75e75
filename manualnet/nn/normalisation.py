"""Normalisation layers."""

import sys

import torch.nn as nn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from manualnet import functional as F

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNormGELU", "BatchNormReLU"]

_CONVERTER = nn.SyncBatchNorm.__dict__["convert_sync_batchnorm"].__func__.__code__


class _ManualBatchNorm(_BatchNorm):
    """The part that the batch norms share; PyTorch's but for the function it ends in."""

    functional, name = F, "batch_norm"

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)  # the plain average of all batches so far
        use_batch = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return getattr(self.functional, self.name)(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            use_batch,
            momentum,
            self.eps,
        )

    def named_children(self):
        # PyTorch's converter takes every subclass of its batch norm and would put its own gradient in this one's
        # place without a word. It is recognised here because isinstance(m, torch.nn.BatchNorm2d) must stay true.
        if sys._getframe(1).f_code is _CONVERTER:
            raise TypeError(
                f"SyncBatchNorm would replace manualnet.nn.{type(self).__name__}'s hand-written gradient by PyTorch's; "
                "train without it, or build the model from torch.nn"
            )
        return super().named_children()


class BatchNorm1d(_ManualBatchNorm, nn.BatchNorm1d):
    """``torch.nn.BatchNorm1d`` with the gradient of :func:`manualnet.functional.batch_norm`."""


class BatchNorm2d(_ManualBatchNorm, nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` with the gradient of :func:`manualnet.functional.batch_norm`."""


class _Normalised(_ManualBatchNorm):
    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")


class BatchNormGELU(_Normalised):
    """A batch norm for matrices and pictures alike with GELU after it: :func:`manualnet.functional.batch_norm_gelu`.

    Arguments and ``state_dict`` are those of ``torch.nn.BatchNorm2d``.

    >>> import torch
    >>> layer = BatchNormGELU(2)
    >>> layer(torch.randn(5, 2, 3, 3)).shape
    torch.Size([5, 2, 3, 3])
    """

    name = "batch_norm_gelu"


class BatchNormReLU(_Normalised):
    """A batch norm for matrices and pictures alike with ReLU after it: :func:`manualnet.functional.batch_norm_relu`.

    Arguments and ``state_dict`` are those of ``torch.nn.BatchNorm2d``.

    >>> import torch
    >>> layer = BatchNormReLU(2)
    >>> layer(torch.randn(5, 2)).min()
    tensor(0., grad_fn=<MinBackward1>)
    """

    name = "batch_norm_relu"

"""Layers: weighted sums, pooling, normalisation and noise."""

from manualnet.functional.layers.batch_norm import batch_norm
from manualnet.functional.layers.conv2d import conv2d
from manualnet.functional.layers.linear import linear
from manualnet.functional.layers.max_pool2d import max_pool2d

__all__ = ["batch_norm", "conv2d", "linear", "max_pool2d"]

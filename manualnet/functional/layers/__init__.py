"""Layers: weighted sums, pooling, normalisation and noise."""

from manualnet.functional.layers.conv2d import conv2d
from manualnet.functional.layers.linear import linear

__all__ = ["conv2d", "linear"]

"""Layers: weighted sums, pooling, normalisation and noise."""

from manualnet.functional.layers.adaptive_avg_pool2d import adaptive_avg_pool2d
from manualnet.functional.layers.avg_pool2d import avg_pool2d
from manualnet.functional.layers.batch_norm import batch_norm
from manualnet.functional.layers.conv2d import conv2d
from manualnet.functional.layers.dropout import dropout
from manualnet.functional.layers.linear import linear
from manualnet.functional.layers.max_pool2d import max_pool2d
from manualnet.functional.layers.stochastic_depth import stochastic_depth
from manualnet.functional.layers.stochastic_pool2d import stochastic_pool2d

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "dropout",
    "linear",
    "max_pool2d",
    "stochastic_depth",
    "stochastic_pool2d",
]

"""Activations: what a unit does with its weighted sum."""

from manualnet.functional.activations.elu import elu
from manualnet.functional.activations.gelu import gelu
from manualnet.functional.activations.leaky_relu import leaky_relu
from manualnet.functional.activations.log_softmax import log_softmax
from manualnet.functional.activations.maxout import maxout
from manualnet.functional.activations.prelu import prelu
from manualnet.functional.activations.relu import relu
from manualnet.functional.activations.sigmoid import sigmoid
from manualnet.functional.activations.softmax import softmax
from manualnet.functional.activations.step import step
from manualnet.functional.activations.tanh import tanh

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "maxout",
    "prelu",
    "relu",
    "sigmoid",
    "softmax",
    "step",
    "tanh",
]

"""The ten exercises, from the easiest to the hardest."""

from experiments.lessons.exercises.activations import PRELU, RELU, SIGMOID, TANH
from experiments.lessons.exercises.layers import BATCH_NORM, LINEAR
from experiments.lessons.exercises.losses import CROSS_ENTROPY, HINGE_LOSS, SOFTMAX, SQUARED_ERROR

EXERCISES = {
    e.name: e
    for e in (SIGMOID, TANH, RELU, SQUARED_ERROR, PRELU, LINEAR, SOFTMAX, HINGE_LOSS, CROSS_ENTROPY, BATCH_NORM)
}

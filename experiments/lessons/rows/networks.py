"""What networks can do."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(13, "A non-linear classifier")
def s13(work: Work) -> None:
    r"""The activation makes it so: without one, two layers are a single
    linear one, $`W_2 (W_1 x) = (W_2 W_1)\, x`$.
    """
    # #: `python -m experiments.cifar --model two_layer` with `--activation relu` or `--activation identity`. A problem that a linear classifier cannot solve (XOR, a spiral) is not in the code yet.


@row(14, "A universal approximator")
def s14(work: Work) -> None:
    r"""With enough hidden units, two layers come as close as you like to
    any continuous function.

    ⚠ On a compact set, and with a suitable activation (not a polynomial). That such weights exist does not say that
    training finds them.

    Not in the code yet.
    """


@row(15, "The biology", F.step, F.conv2d, F.pad, F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d)
def s15(work: Work) -> None:
    r"""A neuron weighs its inputs, sums them, and fires when the sum passes a threshold.
    The threshold as an activation, 1 for x > 0 and else 0, has the slope 0 wherever it has one: no gradient passes, and the
    layers below learn nothing. Hubel and Wiesel's simple and complex cells are the idea behind convolution and pooling.

    ⚠ The slide spells the second name Weisel.
    """


@row(16, "A cascade")
def s16(work: Work) -> None:
    r"""The output of one layer is the input of the next, and each layer has weights of its
    own.
    """
    # models.py: experiments/training/models.py
    # #: `mlp` and `convnet` in [models.py](../experiments/training/models.py). A table of the shapes on the way is not in the code yet.


@row(17, "Depth is power, usually")
def s17(work: Work) -> None:
    r""" """
    # dashboard: experiments/training/dashboard.py
    # #: `--model mlp --depth 5`; the [dashboard](../experiments/training/dashboard.py) records the norm of every weight's gradient, layer by layer. A comparison of depths at equal size is not in the code yet.

"""Gradient descent."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(42, "Walk downhill")
def s42(work: Work) -> None:
    r"""```math
    w^{(\tau + 1)} = w^{(\tau)} - \eta\, \nabla E\bigl(w^{(\tau)}\bigr)
    ```
    """
    # optimizers.py: experiments/training/optimizers.py
    # Muon: manualnet/optim.py
    # #: [optimizers.py](../experiments/training/optimizers.py) chooses among PyTorch's `SGD`, its `AdamW` and [`Muon`](../manualnet/optim.py). A gradient descent of our own is not in the code yet.


@row(43, "How far at a time")
def s43(work: Work) -> None:
    r"""Too small a step is slow, too large a one diverges. On ½cw² a step
    multiplies w by 1 − ηc, which shrinks it only for η < 2/c.
    """
    # #: `--learning-rate` and `--schedule`. The curves are not in the code yet.


@row(44, "No guarantee")
def s44(work: Work) -> None:
    r"""Training may stop in a local optimum or oscillate; yet in practice large networks
    reach a low error. An epoch is one pass over all training data. Learning rate, number of units and number of layers may
    be hard to choose.
    """
    # #: `--epochs`, `--width`, `--depth`, `--seed`. The comparison of seeds and widths is not in the code yet.


@row(45, "Choose on a validation set")
def s45(work: Work) -> None:
    r"""Of the 50,000 training images, 5,000 are held out; the test set is
    used once, at the end.
    """
    # data.py: experiments/training/data.py
    # #: `split` in [data.py](../experiments/training/data.py); `--no-test` while you are still choosing.


@row(46, "A little history")
def s46(work: Work) -> None:
    r"""Neural networks were out of fashion in the 1990s and early 2000s. Depth,
    dropout and much more data brought them back.
    """

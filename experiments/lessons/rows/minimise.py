"""Something to minimise."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(18, "No closed form")
def s18(work: Work) -> None:
    r"""The weights of a deep network cannot be solved for, so they are improved step
    by step until a loss L(w) is small.

    ⚠ The simplified case on the slide, one layer without activation, does have a closed form when the error is squared: the
    normal equations $`X^\top X\, w = X^\top t`$. Gradient descent arrives at the same w.
    """
    # train.py: experiments/training/train.py
    # #: the loop is [train.py](../experiments/training/train.py). The comparison is not in the code yet.


@row(19, "The smallest example")
def s19(work: Work) -> None:
    r"""W may be 1, 2 or 3, and L(w) = 2, 5, .5: the best is w = 3. With a penalty
    on the size of w, L^(w) = L(w) + ‖w‖ = 3, 7, 3.5: now the best is w = 1.
    """
    # #: as a worked example, not in the code yet.


@row(20, "CIFAR-10")
def s20(work: Work) -> None:
    r"""Ten labels (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck),
    50,000 images to train on and 10,000 to test on, each 32×32×3.
    """
    # cifar10.py: experiments/training/cifar10.py
    # data.py: experiments/training/data.py


@row(21, "Scores")
def s21(work: Work) -> None:
    r"""F(x, W) = W x turns 3072 numbers into 10 scores. W is 10×3072: 30,720 weights, and with
    the biases 30,730 numbers.
    """
    # models.py: experiments/training/models.py
    # #: `linear` in [models.py](../experiments/training/models.py). It has biases, and sees pixels shifted and scaled to mean 0 and deviation 1 instead of numbers from 0 to 1.


@row(22, "Four pixels, three classes", F.linear)
def s22(work: Work) -> None:
    r"""(cat, dog, ship). With the well-known numbers of this example:

    ```math
    \begin{pmatrix} .2 & -.5 & .1 & 2 \\ 1.5 & 1.3 & 2.1 & 0 \\ 0 & .25 & .2 & -.3 \end{pmatrix}
    \begin{pmatrix} 56 \\ 231 \\ 24 \\ 2 \end{pmatrix}
    + \begin{pmatrix} 1.1 \\ 3.2 \\ -1.2 \end{pmatrix}
    = \begin{pmatrix} -96.8 \\ 437.9 \\ 60.75 \end{pmatrix}
    ```

    ⚠ The well-known picture of it prints 61.95 for the ship, which forgets the bias −1.2.
    """

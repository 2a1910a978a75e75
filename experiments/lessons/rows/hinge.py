"""The hinge loss."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(23, "Three examples, three classes")
def s23(work: Work) -> None:
    r"""These scores serve every loss below:

    | example | cat | car | frog | hinge, [S24](#s24) | cross-entropy, [S34](#s34) |
    |---|---:|---:|---:|---:|---:|
    | a cat | **3.2** | 5.1 | −1.7 | 2.9 | 2.040355 |
    | a car | 1.3 | **4.9** | 2.0 | 0 | .079132 |
    | a frog | 2.2 | 2.5 | **−3.1** | 12.9 | 6.156477 |
    | mean | | | | 5.266667 | 2.758655 |
    """
    # test_losses.py: tests/functional/test_losses.py
    # #: `SCORES` in [test_losses.py](../tests/functional/test_losses.py).


@row(24, "Hinge loss", F.hinge_loss)
def s24(work: Work) -> None:
    r"""Every wrong class that comes within 1 of the right one costs:

    ```math
    L_i = \sum_{j \ne y_i} \max(0,\; s_j - s_{y_i} + 1)
    ```

    Losses 2.9, 0, 12.9. Gradients by row [−1, 1, 0], [0, 0, 0], [1, 1, −2]: each violation pushes its class down and the
    right one up.

    ⚠ PyTorch's `multi_margin_loss` divides by the number of classes; the lecture's loss does not.
    """


@row(25, "What it wants", F.hinge_loss)
def s25(work: Work) -> None:
    r"""$`s_{y_i} \ge s_j + 1`$ for every wrong class. Where the margin is met exactly
    there is a kink; the slope taken there is 0.
    """
    # #: [`hinge_loss`](../manualnet/functional/losses/hinge_loss.py), with `margin` for another distance than 1.


@row(26, "The mean over the data", F.hinge_loss, F.mean)
def s26(work: Work) -> None:
    r"""```math
    L = \frac{1}{N} \sum_{i=1}^{N} L_i = \frac{15.8}{3} = 5.266667
    ```

    The slide rounds to 5.3. The gradient carries the 1/3: [−1/3, 1/3, 0] for the cat.
    """
    # #: [`hinge_loss`](../manualnet/functional/losses/hinge_loss.py) with its default `reduction="mean"`, or [`mean`](../manualnet/functional/arithmetic/mean.py) of the losses.


@row(27, "Zero loss is not unique", F.hinge_loss)
def s27(work: Work) -> None:
    r"""If W gives L = 0, so does 2W. Doubled, the car's scores still cost 0,
    but the batch is not yet there and costs 4.8, 0, 23.8.
    """

"""A layer and its outputs."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(1, "Weighted sums", F.linear, F.matmul, F.sum)
def s1(work: Work) -> None:
    r"""A unit weighs its inputs, adds them up and adds a bias:

    ```math
    a_j = \sum_{i=1}^{D} w_{ji} x_i + w_{j0}
    ```

    For a batch $`X`$, one example a row, and with $`G = \partial L / \partial A`$ this gives
    $`\partial L / \partial X = G\,W`$, $`\;\partial L / \partial W = G^\top X`$ and $`\;\partial L / \partial b = \sum G`$
    over the rows. $`W`$ has the shape (out, in).
    """


@row(2, "The bias as an input", F.linear, F.pad)
def s2(work: Work) -> None:
    r"""With an extra input $`x_0 = 1`$ (and $`z_0 = 1`$ in the next layer,
    figure 5.1) the bias is one more weight. Both forms give the same values and the same gradients.

    ⚠ Some slides start their sums at 1 and some at 0: the bias stands apart, or is folded in.
    """
    # #: [`linear`](../manualnet/functional/layers/linear.py) with its `bias`, or without it on an input that [`pad`](../manualnet/functional/arithmetic/pad.py) gave a 1, as [below](#golden-a).


@row(3, "Two layers")
def s3(work: Work) -> None:
    r"""The outputs of the first layer are the inputs of the second:

    ```math
    a_j \;\longrightarrow\; z_j = h(a_j) \;\longrightarrow\; a_k = \sum_{j=1}^{M} w_{kj} z_j + w_{k0} \;\longrightarrow\; y_k
    ```
    """
    # models.py: experiments/training/models.py
    # #: `two_layer` in [models.py](../experiments/training/models.py). [Golden A](#golden-a) shows every $`a`$, $`z`$ and $`y`$ of a small one.


@row(4, "Sigmoid", F.sigmoid)
def s4(work: Work) -> None:
    r"""The output for two classes:

    ```math
    \sigma(a) = \frac{1}{1 + e^{-a}}, \qquad \sigma'(a) = \sigma(a)\,(1 - \sigma(a))
    ```

    σ(0) = .5 with slope .25; σ(2) = .880797 with slope .104994.
    """


@row(5, "Softmax", F.softmax)
def s5(work: Work) -> None:
    r"""The output for several classes:

    ```math
    p_k = \frac{e^{a_k}}{\sum_j e^{a_j}}, \qquad
    \frac{\partial L}{\partial a_k} = p_k \Bigl( g_k - \sum_j g_j\, p_j \Bigr), \qquad g = \frac{\partial L}{\partial p}
    ```

    Subtracting the largest score first changes nothing and keeps $`e^a`$ finite: [1000, 0] gives [1, 0].
    """


@row(6, "Finally, all in one expression")
def s6(work: Work) -> None:
    r"""```math
    y_k(x, w) = \sigma \Bigl( \sum_{j=1}^{M} w_{kj}\, h \Bigl( \sum_{i=1}^{D} w_{ji} x_i + w_{j0} \Bigr) + w_{k0} \Bigr)
    ```

    It is the network of S3 and nothing else. Code: [golden A](#golden-a) is written as this one expression.
    """

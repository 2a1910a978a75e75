"""The gradient."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(37, "A derivative is a limit")
def s37(work: Work) -> None:
    r"""; the gradient is the vector of all partial derivatives.

    ```math
    \frac{df}{dx} = \lim_{h \to 0} \frac{f(x + h) - f(x)}{h}, \qquad
    \nabla f = \Bigl( \frac{\partial f}{\partial x_1}, \dots, \frac{\partial f}{\partial x_n} \Bigr)
    ```
    """
    # numeric.py: manualnet/check/numeric.py
    # python -m manualnet.check: manualnet/check/properties/gradient.py
    # #: [numeric.py](../manualnet/check/numeric.py) computes slopes so, with an estimate of their error, and [`python -m manualnet.check`](../manualnet/check/properties/gradient.py) holds every gradient against them. A function of our own for numerical gradients, and the figure of the tangent, are not in the code yet.


@row(38, "One weight after the other")
def s38(work: Work) -> None:
    r"""With h = .0001 the loss goes from 1.25347 to 1.25322, 1.25353 and
    1.25347: slopes −2.5, .6 and 0.

    ⚠ Five decimals of the loss resolve a slope only to ±.1.

    Not in the code yet.
    """


@row(39, "“This is silly”")
def s39(work: Work) -> None:
    r"""Numbers need one evaluation a weight and one more: 30,721 for S21's W, 30,731
    with its biases. Calculus needs one backward pass.

    The measured comparison is not in the code yet.
    """


@row(40, "What is wanted")
def s40(work: Work) -> None:
    r"""$`\nabla_W L`$ of the hinge loss on linear scores with a penalty,

    ```math
    L = \frac{1}{N} \sum_{i=1}^{N} L_i + \sum_k W_k^2, \qquad
    \nabla_W L = \frac{1}{N} \sum_{i=1}^{N} g_i\, x_i^\top + 2W
    ```

    where $`g_i`$ is the gradient of $`L_i`$ with respect to the scores, as in S24.
    """
    # #: `add(hinge_loss(linear(x, W), y), l2_penalty(W))` has just this gradient.


@row(41, "The simplest case", F.linear, F.matmul)
def s41(work: Work) -> None:
    r"""$`f(x, w) = w_1 x_1 + \dots + w_D x_D`$ has the gradient x with respect to
    w.
    """

"""Activation functions."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(7, "Tanh", F.tanh)
def s7(work: Work) -> None:
    r"""```math
    h(a) = \tanh a = \frac{e^{a} - e^{-a}}{e^{a} + e^{-a}}, \qquad h'(a) = 1 - h(a)^2
    ```

    tanh(1) = .761594 with slope .419974.

    ⚠ Computed as written, the formula overflows: for a = 1000 it is ∞/∞, where tanh is 1.
    """


@row(8, "ReLU", F.relu)
def s8(work: Work) -> None:
    r"""Max(0, x), with slope 1 above 0 and 0 below.

    ⚠ The slide's two cases, x ≥ 0 and x ≤ 0, both hold at 0. They agree on the value and not on the slope; here, as in
    PyTorch, the slope at 0 is 0.
    """


@row(9, "Leaky ReLU", F.leaky_relu)
def s9(work: Work) -> None:
    r"""Max(0.1 x, x). The lecture's slope below 0 is .1; PyTorch's default, and so ours,
    is .01.
    """
    # #: [`leaky_relu`](../manualnet/functional/activations/leaky_relu.py); `leaky_relu(x, 0.1)` is the lecture's.


@row(10, "PReLU", F.prelu)
def s10(work: Work) -> None:
    r"""Learns that slope: x where x > 0, else a x.

    ```math
    \frac{\partial L}{\partial a} = \sum_{x \le 0} \frac{\partial L}{\partial y}\, x
    ```

    ⚠ The slide's max(a x, x) says the same only for a ≤ 1. For a = 2 and x = −1 the unit gives −2, the maximum −1.
    """


@row(11, "Maxout", F.maxout)
def s11(work: Work) -> None:
    r"""The largest of several affine functions (two on the slide):

    ```math
    y = \max\bigl( w_1^\top x + b_1,\; w_2^\top x + b_2 \bigr)
    ```

    The gradient goes to the piece that wins; at a tie to the first of them, once. With w₁ = 0 and no biases this is the
    ReLU of w₂ᵀx; with w₁ = .1 w₂ it is the leaky one.
    """


@row(12, "ELU", F.elu, F.gelu)
def s12(work: Work) -> None:
    r"""```math
    y = \begin{cases} x & x \ge 0 \\ \alpha\,(e^{x} - 1) & x < 0 \end{cases}
    ```

    For α = 1, ELU(−1) = −.632121 with slope .367879. The exponential is not taken of large x, so ELU(1000) = 1000 with
    slope 1.
    """

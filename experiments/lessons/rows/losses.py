"""Cross-entropy and other losses."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(33, "Scores as log-probabilities", F.log_softmax, F.cross_entropy)
def s33(work: Work) -> None:
    r"""```math
    P(Y = k \mid x_i) = \frac{e^{s_k}}{\sum_j e^{s_j}}, \qquad L_i = -\log P(Y = y_i \mid x_i)
    ```

    | the cat's row | cat | car | frog |
    |---|---:|---:|---:|
    | s | 3.2 | 5.1 | −1.7 |
    | eˢ | 24.532530 | 164.021907 | .182684 |
    | P | .129983 | .869050 | .000968 |

    Its loss is −log .129983 = 2.040355, with the natural logarithm; the .89 that some slides show is the base-10 one.
    """


@row(34, "Maximum likelihood", F.cross_entropy, F.nll_loss)
def s34(work: Work) -> None:
    r"""To minimise the negative log-likelihood is to maximise the likelihood: a
    linear classifier with this loss is multinomial logistic regression. The gradient is what one would wish for,

    ```math
    \frac{\partial L_i}{\partial s_k} = p_k - [k = y_i]
    ```

    Losses 2.040355, .079132, 6.156477, mean 2.758655. The first row's gradient: [−.870017, .869050, .000968]. A network
    that knows nothing of ten classes starts at ln 10 = 2.302585.
    """


@row(35, "Triplet loss", F.triplet_loss)
def s35(work: Work) -> None:
    r"""(FaceNet). The anchor should be nearer to the positive than to the negative:

    ```math
    L = \sum_{i=1}^{N} \Bigl[ \lVert a_i - p_i \rVert^2 - \lVert a_i - n_i \rVert^2 + \alpha \Bigr]_+
    ```

    a = [1, 0], p = [.8, .6], n = [.6, .8], α = .5 cost .1; the gradients are [−.4, .4] for a, [−.4, 1.2] for p and
    [.8, −1.6] for n.

    ⚠ Distances are squared and triplets summed. PyTorch's `triplet_margin_loss` does neither, and gives .238028 here.
    """


@row(
    36,
    "Anything you want, almost",
    F.mse_loss,
    F.l1_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    F.squared_error,
)
def s36(work: Work) -> None:
    r"""It only needs a slope."""

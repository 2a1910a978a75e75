"""Regularisation."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(28, "Two wishes in one number")
def s28(work: Work) -> None:
    r"""Fit the data, and prefer simple weights.

    ```math
    L(W) = \frac{1}{N} \sum_{i=1}^{N} L_i\bigl(f(x_i, W), y_i\bigr) + \lambda R(W)
    ```
    """
    # objective.py: experiments/training/objective.py
    # #: [objective.py](../experiments/training/objective.py), which keeps the two apart so that both are reported; `--penalty l2 --penalty-strength 1e-4` on the command line.


@row(29, "Three penalties")
def s29(work: Work) -> None:
    r"""| | R(W) | ∂R/∂W | code |
    |---|---|---|---|
    | L2 | Σ W² | 2W | [`l2_penalty`](../manualnet/functional/penalties/l2.py) |
    | L1 | Σ \|W\| | sign(W), 0 at 0 | [`l1_penalty`](../manualnet/functional/penalties/l1.py) |
    | elastic net | Σ (βW² + \|W\|) | 2βW + sign(W), 0 at 0 | [`elastic_net`](../manualnet/functional/penalties/elastic_net.py) |

    ⚠ There is no ½ in L2: λR pulls as hard as an optimizer's weight decay of 2λ.
    """


@row(30, "More complex ones", F.dropout, F.batch_norm, F.stochastic_depth, F.stochastic_pool2d)
def s30(work: Work) -> None:
    r"""Each changes the network in training, and each has its own backward pass;
    what is drawn at random is drawn once, and then a constant.
    """


@row(31, "Why regularise")
def s31(work: Work) -> None:
    r"""To say which weights are preferred, and to keep the model simple enough for
    pictures it has not seen. A penalty gives up a little of the fit to the training data for a better one to new data.
    """
    # #: `--penalty`, `--dropout`, `--label-smoothing`, `--cutout`. The curve fitted to noise is not in the code yet.


@row(32, "Which weights are preferred", F.l2_penalty, F.l1_penalty, F.elastic_net)
def s32(work: Work) -> None:
    r"""For x = [1, 1, 1, 1] two weights give the same score, and only
    the penalty tells them apart:

    | | w·x | L2 | L1 | elastic net, β = .5 |
    |---|---:|---:|---:|---:|
    | w₁ = [1, 0, 0, 0] | 1 | 1 | 1 | 1.5 |
    | w₂ = [.25, .25, .25, .25] | 1 | .25 | 1 | 1.125 |

    L2 spreads the weights out; L1 does not care.
    """

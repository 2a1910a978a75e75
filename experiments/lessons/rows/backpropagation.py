"""Backpropagation."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(47, "The chain rule")
def s47(work: Work) -> None:
    r"""Once for each layer:

    ```math
    \frac{dL}{dw_{kj}} = \frac{dL}{dy_k} \frac{dy_k}{da_k} \frac{da_k}{dw_{kj}}, \qquad
    \frac{dL}{dw_{ji}} = \frac{dL}{dz_j} \frac{dz_j}{da_j} \frac{da_j}{dw_{ji}}
    ```

    ⚠ One factor a unit is right where every output depends on its own $`a_k`$ alone, as with the sigmoid. With softmax each
    output depends on all of them: on the cat's row the product unit by unit gives [−.870017, 0, 0], where the Jacobian gives
    S34's [−.870017, .869050, .000968].
    """
    # #: each factor is one `backward`. A table of the factors is not in the code yet.


@row(48, "Squared error", F.mse_loss, F.squared_error, F.sub)
def s48(work: Work) -> None:
    r"""$`L = (y - y')^2`$ has the slope $`2\,(y - y')`$.

    ⚠ The examples further on use $`E = \tfrac12 \sum (y - t)^2`$, whose slope has no 2. Both exist, under two names. At
    y = 3 with target 1 the first is 4 with slope 4, the second 2 with slope 2.
    """


@row(49, "The output's activation", F.sigmoid)
def s49(work: Work) -> None:
    r"""For the sigmoid,

    ```math
    \frac{dy_k}{da_k} = \sigma(a_k)\,(1 - \sigma(a_k))
    ```

    ⚠ The slide writes d(a_k)/d(a_k) on the left, which is 1.
    """


@row(50, "The weight's own factor", F.linear, F.conv2d)
def s50(work: Work) -> None:
    r"""$`da_k / dw_{kj} = z_j`$, so the gradient of all weights of a layer is
    the outer product of $`\delta`$ and $`z`$.
    """


@row(51, "The hidden weights directly")
def s51(work: Work) -> None:
    r"""(the slide's exercise). Written out, the chain rule gives

    ```math
    \frac{dL}{dw_{ji}} = \sum_k \frac{dL}{dy_k} \frac{dy_k}{da_k}\, w_{kj}\, h'(a_j)\, x_i
    ```

    which is what backpropagation gives, step by step. As an exercise, not in the code yet.
    """


@row(52, "The rough notation")
def s52(work: Work) -> None:
    r"""With a layer's inputs *in*, its weighted sums *raw* and its outputs *act*,

    ```math
    \mathit{err}_i = \frac{dL}{d\,\mathit{act}_i} \frac{d\,\mathit{act}_i}{d\,\mathit{raw}_i}, \qquad
    w \leftarrow w - \eta \; \mathit{err}_i \; \mathit{in}_i
    ```

    [Golden A](#golden-a) has the table for its two layers. A function that makes such tables is not in the code yet.
    """


@row(53, "The same in symbols", F.linear)
def s53(work: Work) -> None:
    r"""```math
    w_{kj} \leftarrow w_{kj} - \eta\, \delta_k z_j, \qquad
    w_{ji} \leftarrow w_{ji} - \eta\, \delta_j x_i, \qquad
    \frac{dL}{dz_j} = \sum_k w_{kj}\, \delta_k
    ```

    The sum is there because $`z_j`$ reaches the loss through every $`a_k`$ that it feeds.

    ⚠ $`\delta = dL/dz \cdot dz/da`$ holds for an activation that works on each unit by itself. And $`y_k - y_k'`$ is only
    dL/dy: in golden A it is −.520316, but with h′ it becomes δ_k = −.129864.
    """


@row(54, "Bishop's equation 5.56", F.squared_error, F.cross_entropy, F.binary_cross_entropy_with_logits)
def s54(work: Work) -> None:
    r"""```math
    \delta_j = h'(a_j) \sum_k w_{kj}\, \delta_k, \qquad \delta_k = y_k - t_k
    ```

    The second holds for identity outputs with ½ squared error. It is just as exact for softmax or sigmoid outputs with
    cross-entropy: the pairs are made for each other.
    """


@row(55, "The algorithm")
def s55(work: Work) -> None:
    r"""For sigmoids and ½ squared error. Set all weights to small random values. Then,
    until all errors are small or the error stops falling, for each example: compute the outputs, then

    ```math
    \delta_k = y_k (1 - y_k)(y_k - y_k'), \qquad \delta_j = z_j (1 - z_j) \sum_k w_{kj}\, \delta_k
    ```

    and move the weights as in S53. Why random: from weights of zero, all hidden units of a layer get the same gradient and
    stay equal.
    """
    # train.py: experiments/training/train.py
    # #: one step is [golden A](#golden-a). The loop over examples with these two stopping rules is not in the code yet; [train.py](../experiments/training/train.py) works on batches, for a given number of epochs.


@row(56, "Another example", F.tanh, F.squared_error)
def s56(work: Work) -> None:
    r"""Tanh hidden units, identity outputs.

    ```math
    E = \frac12 \sum_k (y_k - t_k)^2, \qquad \delta_k = y_k - t_k, \qquad \delta_j = (1 - z_j^2) \sum_k w_{kj}\, \delta_k
    ```
    """


@row(57, "The order of things")
def s57(work: Work) -> None:
    r"""The slides change the top weights first and compute the hidden errors
    next.

    ⚠ All δ belong to the old weights. Golden A in the wrong order would give δ_j = [−.023780, .011291] in place of
    [−.022726, .012365].
    """
    # train.py: experiments/training/train.py


@row(58, "“Recall”")
def s58(work: Work) -> None:
    r"""```math
    w_{ji} \leftarrow w_{ji} - \eta\, \frac{dE}{dz_j} \frac{dz_j}{da_j} \frac{da_j}{dw_{ji}}
    ```

    ⚠ The slide has one factor too many, $`da_j / da_j`$.
    """

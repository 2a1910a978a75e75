"""Cross-entropy and other losses."""

import math

import torch

from experiments.lessons.figures import margins
from experiments.lessons.likelihood import clouds, log_likelihood, maximum
from experiments.lessons.own_loss import LogCosh, log_cosh
from experiments.lessons.row import row
from experiments.lessons.scores import CLASSES, SCORES, TARGET
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet.check import check


@row(33, "Scores as log-probabilities", F.softmax, F.log_softmax, F.cross_entropy)
def s33(work: Work) -> None:
    r"""The scores are taken as logarithms of probabilities that do not add up to 1 yet. The loss is the negative
    logarithm of the right class's probability:

    ```math
    P(Y = k \mid x_i) = \frac{e^{s_k}}{\sum_j e^{s_j}}, \qquad L_i = -\log P(Y = y_i \mid x_i)
    ```

    | the cat's row | cat | car | frog |
    |---|---:|---:|---:|
    | s | 3.2 | 5.1 | −1.7 |
    | eˢ | 24.532530 | 164.021907 | .182684 |
    | P | .129983 | .869050 | .000968 |

    Its loss is −log .129983 = 2.040355.

    ⚠ The logarithm is the natural one; the .89 that some slides show is the base-10 one.
    """
    scores = SCORES[0]
    unnormalised = scores.exp()
    work.step("s", scores, ", ".join(CLASSES))
    work.expect("eˢ", [24.5325, 164.0219, 0.1827], unnormalised, digits=4)
    work.step("Σ eˢ", unnormalised.sum())
    p = F.softmax(scores, dim=0)
    work.expect("P", [0.129983, 0.869050, 0.000968], p)
    loss = F.cross_entropy(scores, TARGET[0])
    work.expect("L", 2.040355, loss)
    work.expect("L, by log_softmax", 2.040355, -F.log_softmax(scores, dim=0)[0])
    work.slip("−log .129983", slide=round(-p[0].log10().item(), 2), right=loss)
    work.figure(
        "S33-margins",
        "Hinge loss and cross-entropy of two classes. The hinge is content once the right score leads by 1; "
        "cross-entropy never quite is.",
        margins.margin_losses,
    )
    work.ask(
        "The right class has the probability .129983. What does the example cost?",
        2.040355,
        {
            "that is the base-10 logarithm; the loss takes the natural one": 0.886113,
            "the loss is the negative logarithm": -2.040355,
            "that is the probability of being wrong": 0.870017,
        },
    )


@row(34, "Maximum likelihood", F.cross_entropy, F.nll_loss, maximum)
def s34(work: Work) -> None:
    r"""To minimise the negative log-likelihood is to maximise the likelihood: a linear classifier with this loss is
    multinomial logistic regression. The gradient is what one would wish for,

    ```math
    \frac{\partial L_i}{\partial s_k} = p_k - [k = y_i]
    ```

    Losses 2.040355, .079132, 6.156477, mean 2.758655. The first row's gradient: [−.870017, .869050, .000968]. A network
    that knows nothing of ten classes starts at ln 10 = 2.302585.
    """
    scores = SCORES.clone().requires_grad_()
    losses = F.cross_entropy(scores, TARGET, reduction="none")
    work.expect("L_i", [2.040355, 0.079132, 6.156477], losses)
    work.expect("mean", 2.758655, F.cross_entropy(scores, TARGET))
    work.expect("mean, by nll_loss", 2.758655, F.nll_loss(F.log_softmax(scores, dim=1), TARGET))
    (gradient,) = torch.autograd.grad(losses.sum(), scores)
    work.expect("gradient of the first row", [-0.870017, 0.869050, 0.000968], gradient[0])
    work.expect("at chance, ten classes", 2.302585, F.cross_entropy(torch.zeros(1, 10), torch.tensor([3])))

    x, classes = clouds()
    strength = 0.01
    weight = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=200, tolerance_grad=1e-12, tolerance_change=0)

    def objective():
        optimizer.zero_grad()
        loss = F.add(F.cross_entropy(F.linear(x, weight), classes), F.mul(F.l2_penalty(weight), strength))
        loss.backward()
        return loss

    optimizer.step(objective)
    fitted = maximum(x, classes, strength)
    work.step("60 points of 3 classes: W, by the cross-entropy of a linear classifier", weight)
    work.step("W, by Newton's method on the likelihood", fitted)
    distance = (weight - fitted).abs().max().item()
    work.claim("both fits have the same W to six digits", distance < 5e-7)
    work.claim(
        "N times the loss is the negative log-likelihood",
        torch.isclose(-log_likelihood(weight, x, classes), len(x) * F.cross_entropy(F.linear(x, weight), classes)),
    )
    work.ask(
        "The cat's probabilities are .129983, .869050 and .000968, and the cat is right. What is the gradient of the "
        "loss with respect to the three scores?",
        [-0.870017, 0.869050, 0.000968],
        {
            "the right class's probability has to lose 1": [0.129983, 0.869050, 0.000968],
            "the signs are those of a step downhill; the gradient points uphill": [0.870017, -0.869050, -0.000968],
            "all scores take part in the softmax, also those of wrong classes": [-0.870017, 0, 0],
        },
    )


@row(35, "Triplet loss", F.triplet_loss)
def s35(work: Work) -> None:
    r"""The anchor should be nearer to the positive, of the same identity, than to the negative, of another one
    (FaceNet):

    ```math
    L = \sum_{i=1}^{N} \Bigl[ \lVert a_i - p_i \rVert^2 - \lVert a_i - n_i \rVert^2 + \alpha \Bigr]_+
    ```

    a = [1, 0], p = [.8, .6], n = [.6, .8], α = .5 cost .1; the gradients are [−.4, .4] for a, [−.4, 1.2] for p and
    [.8, −1.6] for n.

    ⚠ Distances are squared and triplets summed. PyTorch's `triplet_margin_loss` does neither, and gives .238028 here.
    """
    points = [[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]]
    a, p, n = (torch.tensor([point], dtype=torch.float64, requires_grad=True) for point in points)
    work.step("‖a − p‖²", (a - p).square().sum(), ".2² + .6²")
    work.step("‖a − n‖²", (a - n).square().sum(), ".4² + .8²")
    loss = F.triplet_loss(a, p, n, margin=0.5)
    work.expect("L", 0.1, loss)
    gradients = torch.autograd.grad(loss, (a, p, n))
    expected = ([[-0.4, 0.4]], [[-0.4, 1.2]], [[0.8, -1.6]])
    for name, value, gradient in zip(("a", "p", "n"), expected, gradients, strict=True):
        work.expect(f"gradient of {name}", value, gradient)
    theirs = torch.nn.functional.triplet_margin_loss(a, p, n, margin=0.5)
    work.expect("PyTorch's triplet_margin_loss, whose distances are not squared", 0.238028, theirs)
    met = F.triplet_loss(a.detach(), p.detach(), n.detach(), margin=0.4)
    work.expect("L with α = .4, where the margin is met", 0, met)
    work.figure(
        "S35-triplet",
        "Against their gradients the positive moves to the anchor, the negative away from it.",
        margins.triplet,
        a.detach()[0],
        p.detach()[0],
        n.detach()[0],
        tuple(g[0] for g in gradients),
    )
    work.ask(
        "a = [1, 0], p = [.8, .6], n = [.6, .8], α = .5: what does the triplet cost?",
        0.1,
        {
            "the distances are squared in this loss": math.sqrt(0.4) - math.sqrt(0.8) + 0.5,
            "the margin α is added": -0.4,
            "the distance to the positive counts up, the one to the negative down": 0.9,
        },
    )


@row(
    36,
    "Anything you want, almost",
    F.mse_loss,
    F.l1_loss,
    F.squared_error,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    LogCosh,
)
def s36(work: Work) -> None:
    r"""A loss only needs a slope. Squared error, absolute error and binary cross-entropy are there; to write one of
    your own, start from the shortest, `squared_error`, or from this one,

    ```math
    L = \sum_i \log \cosh (y_i - t_i), \qquad \frac{\partial L}{\partial y_i} = \tanh (y_i - t_i)
    ```

    which is a squared error where errors are small and an absolute one where they are large. Its Function takes twenty
    lines, and `manualnet.check` proves it.
    """
    y, t = torch.tensor([3.0, -1.0], dtype=torch.float64), torch.tensor([1.0, -1.0], dtype=torch.float64)
    work.step("y", y)
    work.step("t", t)
    work.expect("squared error, summed", 4, F.mse_loss(y, t, reduction="sum"))
    work.expect("½ squared error", 2, F.squared_error(y, t))
    work.expect("absolute error, summed", 2, F.l1_loss(y, t, reduction="sum"))
    score, one = torch.tensor([2.0], dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    work.expect("binary cross-entropy of σ(2), target 1", 0.126928, F.binary_cross_entropy(F.sigmoid(score), one))
    work.expect("the same from the score", 0.126928, F.binary_cross_entropy_with_logits(score, one))

    work.expect("log cosh of errors 2 and 0", 1.325003, log_cosh(y, t))
    properties = ["value", "gradient", "numeric gradient", "second derivative", "forward mode", "vmap", "hand written"]
    report = check(LogCosh, y, t, reference=lambda y, t: (y - t).cosh().log().sum(), only=properties, hand_written=True)
    passed = sum(result.passed for result in report.results)
    work.claim("manualnet.check passes it", passed == len(properties), f"{passed} of {len(properties)} properties")

    error = torch.linspace(-3, 3, 121, dtype=torch.float64, requires_grad=True)
    zeros = torch.zeros(1, dtype=torch.float64)
    losses = {
        "½ squared": lambda e: F.squared_error(e, zeros),
        "absolute": lambda e: F.l1_loss(e, zeros),
        "log cosh": lambda e: log_cosh(e, zeros),
    }
    curves = {name: torch.stack([loss(e[None]) for e in error.detach()]) for name, loss in losses.items()}
    slopes = {
        name: torch.func.vmap(torch.func.grad(lambda e, f=loss: f(e[None])))(error) for name, loss in losses.items()
    }
    work.figure(
        "S36-own",
        "log cosh lies between the squared and the absolute error; its slope is tanh, which never exceeds 1.",
        margins.own_loss,
        error.detach(),
        curves,
        {name: slope.detach() for name, slope in slopes.items()},
    )

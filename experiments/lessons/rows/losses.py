"""Cross-entropy and other losses."""

import math

import torch

from experiments.lessons.figures.margins import loss_and_slope, triplet
from experiments.lessons.likelihood import classifier, clouds, maximum_likelihood
from experiments.lessons.log_cosh import LogCosh, by_autograd, log_cosh
from experiments.lessons.row import row
from experiments.lessons.scores import CLASSES, SCORES, TARGET
from experiments.lessons.separation import separated
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet import numeric
from manualnet.check import check

QUICK = ("value", "gradient", "numeric gradient", "second derivative", "vmap", "broadcasting", "needs input grad")


@row(33, "Scores as log-probabilities", F.log_softmax, F.softmax, F.cross_entropy)
def s33(work: Work) -> None:
    r"""A score is read as the logarithm of a probability that is not normalised yet:

    ```math
    P(Y = k \mid x_i) = \frac{e^{s_k}}{\sum_j e^{s_j}}, \qquad L_i = -\log P(Y = y_i \mid x_i)
    ```

    | the cat's row | cat | car | frog |
    |---|---:|---:|---:|
    | s | 3.2 | 5.1 | −1.7 |
    | eˢ | 24.532530 | 164.021907 | .182684 |
    | P | .129983 | .869050 | .000968 |

    Its loss is −log .129983 = 2.040355, with the natural logarithm.

    ⚠ The .89 that some slides show is the base-10 logarithm.
    """
    scores, target = SCORES[:1], TARGET[:1]
    work.step("s", scores[0])
    powers = scores[0].exp()
    work.expect("eˢ", [24.532530, 164.021907, 0.182684], powers)
    work.step("Σ eˢ", powers.sum())
    work.expect("P", [0.129983, 0.869050, 0.000968], F.softmax(scores, dim=1)[0])
    work.step("log P", F.log_softmax(scores, dim=1)[0])
    loss = F.cross_entropy(scores, target)
    work.expect("loss of the cat", 2.040355, loss)
    work.claim("it is −log P of the right class", torch.allclose(loss, -F.log_softmax(scores, dim=1)[0, 0]))
    work.claim(
        "every score 1000 higher gives the same loss", torch.allclose(F.cross_entropy(scores + 1000, target), loss)
    )
    base_10 = -torch.log10(F.softmax(scores, dim=1)[0, 0])
    work.expect("loss with the base-10 logarithm", 0.89, base_10, digits=2)
    work.slip("loss of the cat, with the base-10 and with the natural logarithm", slide=base_10, right=loss)
    work.ask(
        "The right class has probability .129983. What is its cross-entropy loss?",
        2.040,
        {
            "that is the base-10 logarithm": 0.886,
            "that is −log of the highest probability, not of the right class": 0.140,
            "that is 1 − P; take the logarithm": 0.870,
        },
    )


@row(34, "Maximum likelihood", F.cross_entropy, F.nll_loss, classifier, maximum_likelihood)
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
    p = F.softmax(SCORES, dim=1)
    for name, row_, y in zip(CLASSES, p, TARGET, strict=True):
        work.step(f"P for the {name}", row_, f"−log {row_[y]:.6f}")
    losses = F.cross_entropy(scores, TARGET, reduction="none")
    work.expect("L_i", [2.040355, 0.079132, 6.156477], losses)
    work.expect("L", 2.758655, F.cross_entropy(SCORES, TARGET))
    (grad,) = torch.autograd.grad(losses.sum(), scores)
    work.expect("gradient of the cat's scores", [-0.870017, 0.869050, 0.000968], grad[0])
    one_hot = torch.eye(3, dtype=torch.float64)[TARGET]
    work.claim("every gradient is p − [k = y]", torch.allclose(grad, p - one_hot, atol=1e-15))
    slopes = numeric.gradient(lambda s: F.cross_entropy(s, TARGET, reduction="sum"), SCORES)
    work.claim("central differences agree", torch.allclose(grad, slopes, atol=1e-8))
    work.expect("loss at chance, ten classes", 2.302585, F.cross_entropy(torch.zeros(1, 10).double(), TARGET[:1]))
    likelihood = torch.stack([p[i, y] for i, y in enumerate(TARGET)]).prod()
    work.step("likelihood of all three labels", likelihood, "the product of their probabilities")
    work.claim("its −log is the sum of the losses", torch.allclose(-likelihood.log(), losses.sum()))

    x, labels = clouds()
    weight = classifier(x, labels)
    beta, most = maximum_likelihood(x, labels)
    against_last = weight[:-1] - weight[-1]
    work.step("W of a softmax classifier on 60 points", weight, "by gradient descent; only differences of rows count")
    work.step("rows against the last", against_last)
    work.step("coefficients of greatest likelihood", beta, "by Newton's method on the log-likelihood")
    apart = (against_last - beta).abs().max()
    work.claim("they agree to six digits", apart < 5e-7, f"{apart:.0e} apart at most")
    loss = F.cross_entropy(F.linear(x, weight), labels, reduction="sum")
    work.claim("and so do loss and negative log-likelihood", abs(loss + most) < 1e-9, f"{loss:.6f} and {-most:.6f}")
    right = (F.linear(x, weight).argmax(1) == labels).double().mean()
    work.claim("no line separates the classes, so the optimum is finite", right < 1, f"{right:.0%} are right")

    margins = torch.linspace(-3, 4, 281, dtype=torch.float64)
    losses_of = {"hinge": lambda m: _of_two(F.hinge_loss, m), "cross-entropy": lambda m: _of_two(F.cross_entropy, m)}
    far = torch.tensor([-50.0, 1.5, 4.0], dtype=torch.float64, requires_grad=True)
    slope = {name: torch.autograd.grad(loss(far).sum(), far)[0] for name, loss in losses_of.items()}
    work.step("slopes of hinge and cross-entropy at the margins −50, 1.5, 4", torch.stack(list(slope.values())))
    work.claim(
        "past its margin hinge is content, cross-entropy never", slope["hinge"][2] == 0 > slope["cross-entropy"][2]
    )
    work.claim("far on the wrong side both pull alike", torch.allclose(slope["hinge"][0], slope["cross-entropy"][0]))
    work.figure(
        "S34-margins",
        "Hinge and cross-entropy of two classes against the margin, by which the right score leads. Far on the wrong "
        "side both fall with slope −1; hinge ends in a kink at 1, cross-entropy goes on pulling, ever more gently.",
        loss_and_slope,
        losses_of,
        margins,
        "margin, right score − wrong score",
    )
    work.ask(
        "P of the cat's row is .129983, .869050, .000968, and it is a cat. What is the gradient of its scores?",
        [-0.870017, 0.869050, 0.000968],
        {
            "the right class has p − 1": [0.129983, 0.869050, 0.000968],
            "that is its negative: descent goes this way, the gradient points up": [0.870017, -0.869050, -0.000968],
            "the wrong classes have p, with its sign": [-0.870017, -0.869050, -0.000968],
        },
    )


def _of_two(loss, margin):
    """The loss of two classes, the first right and leading by ``margin``."""
    scores = torch.stack([margin, torch.zeros_like(margin)], dim=1)
    return loss(scores, torch.zeros(len(margin), dtype=torch.long), reduction="none")


@row(35, "Triplet loss", F.triplet_loss, separated)
def s35(work: Work) -> None:
    r"""The anchor should be nearer to the positive than to the negative (FaceNet):

    ```math
    L = \sum_{i=1}^{N} {\Bigl[ \lVert a_i - p_i \rVert^2 - \lVert a_i - n_i \rVert^2 + \alpha \Bigr]}_+
    ```

    a = [1, 0], p = [.8, .6], n = [.6, .8], α = .5 cost .1; the gradients are [−.4, .4] for a, [−.4, 1.2] for p and
    [.8, −1.6] for n.

    ⚠ Distances are squared and triplets summed. PyTorch's `triplet_margin_loss` does neither, and gives .238028 here.
    """
    points = [torch.tensor(v, dtype=torch.float64) for v in ([1.0, 0.0], [0.8, 0.6], [0.6, 0.8])]
    a, p, n = (point.requires_grad_() for point in points)
    work.step("‖a − p‖²", (a - p).square().sum(), ".04 + .36")
    work.step("‖a − n‖²", (a - n).square().sum(), ".16 + .64")
    loss = F.triplet_loss(a, p, n, margin=0.5)
    work.expect("L", 0.1, loss)
    grads = torch.autograd.grad(loss, (a, p, n))
    for name, grad, slope in zip("apn", grads, ([-0.4, 0.4], [-0.4, 1.2], [0.8, -1.6]), strict=True):
        work.expect(f"gradient of {name}", slope, grad)
    work.claim(
        "the three gradients add up to 0: moved together, nothing changes",
        torch.stack(grads).sum(0).abs().max() < 1e-12,
    )
    torchs = torch.nn.functional.triplet_margin_loss(a, p, n, margin=0.5)
    work.expect("PyTorch's triplet_margin_loss", 0.238028, torchs)
    work.slip("the loss with distances as they are, as in PyTorch, and squared", slide=torchs, right=loss)

    path, losses = separated((a, p, n), margin=1.0)
    work.step("with α = 1, the losses of gradient descent, η = .02", losses)
    work.claim("a few steps bring the loss to 0", losses[-1] == 0, f"{len(path) - 1} steps")
    work.figure(
        "S35-triplet",
        "Anchor, positive and negative before and after gradient descent. The positive has come nearer, the negative "
        "has been pushed away, until their squared distances differ by α, here 1. Dots: their ways.",
        triplet,
        path,
    )
    work.ask(
        "‖a − p‖² = .4, ‖a − n‖² = .8 and α = .5. What does the triplet cost?",
        0.1,
        {
            "the positive's distance counts, the negative's is taken away": 0.9,
            "α is added": 0,
            "that is with distances that are not squared": 0.238,
        },
        digits=3,
    )


@row(
    36,
    "Anything you want, almost",
    F.mse_loss,
    F.squared_error,
    F.l1_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    LogCosh,
    check,
)
def s36(work: Work) -> None:
    r"""It only needs a slope. Squared error, absolute error and binary cross-entropy are common:

    ```math
    (y - t)^2, \qquad |y - t|, \qquad -t \log y - (1 - t) \log (1 - y)
    ```

    One of your own takes a formula, its slope, and a proof. As an example
    $`L = \log \cosh (y - t)`$, whose slope is $`\tanh (y - t)`$: round like the square near 0, and straight like the
    absolute error far out. `python -m manualnet.check` proves it, or says what is wrong.
    """
    for name, loss, y, t, value, slope in (
        ("(y − t)² at y = 3, t = 1", F.mse_loss, 3.0, 1.0, 4, 4),
        ("½ (y − t)²", F.squared_error, 3.0, 1.0, 2, 2),
        ("|y − t|", F.l1_loss, 3.0, 1.0, 2, 1),
        ("binary cross-entropy at y = .8, t = 1", F.binary_cross_entropy, 0.8, 1.0, 0.223144, -1.25),
        ("the same of the score a = 2", F.binary_cross_entropy_with_logits, 2.0, 1.0, 0.126928, -0.119203),
        ("log cosh (y − t) at y = 3, t = 1", log_cosh, 3.0, 1.0, 1.325003, 0.964028),
    ):
        at = torch.tensor([y], dtype=torch.float64, requires_grad=True)
        found = loss(at, torch.tensor([t], dtype=torch.float64)).sum()
        (grad,) = torch.autograd.grad(found, at)
        work.expect(f"{name}: loss, slope", [value, slope], torch.stack([found, grad[0]]))

    generator = torch.Generator().manual_seed(0)
    ys, ts = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4), (4,)))
    for result in check(log_cosh, ys, ts, reference=by_autograd, only=QUICK):
        work.claim(f"log cosh, {result.property}", result.status == "passed", result.wrong)

    class WrongSign(LogCosh):
        """∂L/∂t without its minus."""

        @staticmethod
        def backward(ctx, grad_out):
            y, t = ctx.saved_tensors
            slope = grad_out * torch.tanh(y - t)
            return slope, slope.sum_to_size(t.shape)

    (caught,) = check(WrongSign, ys, ts, reference=by_autograd, only=["gradient"])
    work.claim("a sign forgotten in it is noticed", caught.status == "failed", caught.wrong)
    errors = torch.linspace(-3, 3, 241, dtype=torch.float64)
    zero = torch.zeros((), dtype=torch.float64)
    work.figure(
        "S36-errors",
        "Losses of an error y − t, and their slopes. The square pulls ever harder, the absolute error always the same; "
        "log cosh goes from one to the other.",
        loss_and_slope,
        {
            "(y − t)²": lambda y: F.mse_loss(y, zero.expand_as(y), reduction="none"),
            "|y − t|": lambda y: F.l1_loss(y, zero.expand_as(y), reduction="none"),
            "log cosh (y − t)": lambda y: log_cosh(y, zero),
        },
        errors,
        "y − t",
        3.2,
    )
    work.ask(
        "L = log cosh (y − t). What is its slope at y = 3, t = 1?",
        math.tanh(2),
        {
            "that is the loss": 1.325003,
            "that is sinh 2; divide it by cosh 2": math.sinh(2),
            "that is the slope of the squared error ½ (y − t)²": 2,
        },
    )

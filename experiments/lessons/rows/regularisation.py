"""Regularisation."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

import manualnet
from experiments.lessons.figures.penalties import balls, before_and_after, noisy_fit, paths
from experiments.lessons.noise import CHANGES, seeded
from experiments.lessons.row import row
from experiments.lessons.shrinkage import PENALTIES, held, noisy_curve, path, powers, regression, ridge
from experiments.lessons.work import Work
from experiments.training.config import Config
from experiments.training.objective import Objective
from manualnet import functional as F
from manualnet import nn, numeric
from manualnet.optim import SGD


@row(28, "Two wishes in one number", Objective, F.l2_penalty, F.hinge_loss)
def s28(work: Work) -> None:
    r"""Fit the data, and prefer simple weights.

    ```math
    L(W) = \frac{1}{N} \sum_{i=1}^{N} L_i\bigl(f(x_i, W), y_i\bigr) + \lambda R(W)
    ```

    The two parts are reported apart: a loss that falls may be either. Biases are not penalised.
    """
    with torch.random.fork_rng(devices=[]):
        model = nn.Linear(4, 3, dtype=torch.float64)
    weight = torch.tensor([[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]], dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(weight)
        model.bias.copy_(torch.tensor([1.1, 3.2, -1.2]))
    x, target = torch.tensor([[56.0, 231.0, 24.0, 2.0]], dtype=torch.float64), torch.tensor([0])
    objective = Objective(manualnet, Config(loss="hinge", penalty="l2", penalty_strength=0.1))
    data, penalty = objective(model(x), target), objective.penalty(model)
    assert penalty is not None
    weighted = F.mul(penalty, 0.1)
    work.step("scores of the cat of S22", model(x))
    work.expect("data loss", 694.25, data)
    work.step("R(W)", penalty, "Σ W²")
    work.expect("λ R(W), with λ = .1", 1.28425, weighted)
    work.expect("L", 695.53425, objective.total(data, penalty))
    (of_data,) = torch.autograd.grad(data, model.weight)
    (of_penalty,) = torch.autograd.grad(weighted, model.weight, retain_graph=True)
    work.step("gradient of the data loss", of_data)
    work.step("gradient of the penalty", of_penalty, "2λW")

    def total(w):
        return F.add(F.hinge_loss(F.linear(x, w, model.bias), target), F.mul(F.l2_penalty(w), 0.1))

    (whole,) = torch.autograd.grad(total(model.weight), model.weight)
    work.claim("the gradient of L is the sum of theirs", torch.allclose(whole, of_data + of_penalty, rtol=1e-14))
    slopes = numeric.gradient(total, model.weight.detach())
    work.claim("central differences agree", torch.allclose(whole, slopes, atol=1e-6))
    (alone,) = torch.autograd.grad(penalty, model.bias, allow_unused=True)
    work.claim("the biases are not penalised", alone is None)


@row(29, "Three penalties", F.l2_penalty, F.l1_penalty, F.elastic_net, SGD, path)
def s29(work: Work) -> None:
    r"""| | R(W) | ∂R/∂W |
    |---|---|---|
    | L2 | Σ W² | 2W |
    | L1 | Σ \|W\| | sign(W), 0 at 0 |
    | elastic net | Σ (βW² + \|W\|) | 2βW + sign(W), 0 at 0 |

    L1 pulls at a small weight as hard as at a large one, and so brings it to 0; L2 pulls less and less.

    ⚠ There is no ½ in L2: λR pulls as hard as an optimizer's weight decay of 2λ.
    """
    values = torch.tensor([3.0, 0.0, -2.0], dtype=torch.float64)
    work.step("W", values)
    for name, penalty, value, slope in (
        ("L2", F.l2_penalty, 13, [6, 0, -4]),
        ("L1", F.l1_penalty, 5, [1, 0, -1]),
        ("elastic net, β = .5", lambda w: F.elastic_net(w, beta=0.5), 11.5, [4, 0, -3]),
    ):
        w = values.clone().requires_grad_()
        result = penalty(w)
        result.backward()
        work.expect(f"{name}: R", value, result)
        work.expect(f"{name}: ∂R/∂W", slope, w.grad)

    penalised = _step(values, lambda w: F.mul(F.l2_penalty(w), 0.1), decay=0.0)
    decayed = [_step(values, lambda w: F.mul(F.sum(w), 0.0), decay=decay) for decay in (0.1, 0.2)]
    work.expect("W after a step with λ = .1, η = .5", [2.7, 0, -1.8], penalised)
    work.claim("weight decay of 2λ = .2 takes the same step", torch.allclose(decayed[1], penalised, rtol=1e-15))
    work.slip("W after a step with weight decay λ, and with 2λ", slide=decayed[0], right=decayed[1])

    x, t = regression()
    strengths = torch.logspace(-2, 0.1, 20, dtype=torch.float64)
    found = {name: path(name, x, t, strengths) for name in PENALTIES}
    closed = torch.stack([ridge(x, t, float(s)) for s in strengths])
    off = (found["L2"] - closed).abs().max()
    work.claim("gradient descent with L2 arrives at its closed form, for every λ", off < 1e-4, f"off by {off:.0e}")
    at = 17
    for name, weights in found.items():
        work.step(f"weights at λ = {strengths[at]:.2f}, {name}", weights[at])
    for name in ("L1", "elastic net"):
        zeros = int((found[name][at].abs() < 1e-3).sum())
        work.claim(f"{name} sets the three weights to 0 that say nothing", zeros == 3, f"{zeros} below .001")
    work.claim("L2 sets none to 0", bool((found["L2"].abs() > 1e-3).all(1)[at]))
    apart = {name: float(weights[at, 0] - weights[at, 1]) for name, weights in found.items()}
    work.claim(
        "L2 shares the weight out between two inputs that are nearly alike, L1 prefers one",
        apart["L2"] < 0.2 < 1 < apart["L1"],
        f"{apart['L2']:.2f} and {apart['L1']:.2f} apart",
    )
    work.figure(
        "S29-paths",
        "Weights of a linear fit as the penalty grows. Inputs 1 and 2 are nearly alike, 4 to 6 say nothing of the "
        "target. L2 shrinks all and makes none 0, and lets the twins share; L1 sets weights to 0 and keeps one twin; "
        "the elastic net (β = .5) does both.",
        paths,
        found,
        strengths,
        ["1", "2, its twin", "3", "4, noise", "5, noise", "6, noise"],
    )
    work.ask(
        "W = 3, 0, −2. What is the gradient of the elastic net with β = .5?",
        [4, 0, -3],
        {
            "the square's slope has a 2: 2βW": [2.5, 0, -2],
            "the slope of |W| is missing": [3, 0, -2],
            "the slope of |W| at 0 is taken as 0": [4, 1, -3],
            "|W| falls towards 0 from the left: its slope is −1 there": [4, 0, -1],
        },
    )


def _step(values: Tensor, loss: Callable[[Tensor], Tensor], decay: float) -> Tensor:
    w = values.clone().requires_grad_()
    optimizer = SGD([w], lr=0.5, weight_decay=decay)
    loss(w).backward()
    optimizer.step()
    return w.detach()


@row(
    30,
    "More complex ones",
    F.dropout,
    F.batch_norm,
    F.batch_norm_gelu,
    F.batch_norm_relu,
    F.stochastic_depth,
    F.stochastic_pool2d,
)
def s30(work: Work) -> None:
    r"""Each changes the network in training, and each has its own backward pass; what is drawn at random is drawn once,
    and then a constant.

    - *Dropout* sets units to zero and divides the others by 1 − p, so that the mean stays.
    - *Batch normalisation* takes a unit's mean over the batch away, and divides by its deviation.
    - *Stochastic depth* leaves out a layer for some of the examples.
    - *Stochastic pooling* draws one element of each window, a with probability a/Σa.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(8, 8, generator=generator, dtype=torch.float64) + 0.1
    weights = torch.rand(8, 8, generator=generator, dtype=torch.float64)
    pairs = {}
    for name, function in CHANGES.items():
        fixed, leaf = seeded(function, 1), x.clone().requires_grad_()
        y = fixed(leaf)
        pairs[name] = x, y.detach()
        back = weights[: y.shape[0], : y.shape[1]]
        (exact,) = torch.autograd.grad(y, leaf, back)
        slopes = torch.einsum("ij,ijkl->kl", back, numeric.jacobian(fixed, x))
        off = (exact - slopes).abs().max()
        work.claim(f"{name}: backward equals central differences, the draw held", off < 1e-8, f"off by {off:.0e}")
        if name != "batch norm":
            work.claim(f"{name}: another seed, another draw", not torch.equal(seeded(function, 2)(x), y))

    kept = pairs["dropout"][1] != 0
    work.claim("dropout: what is kept is doubled, at p = .5", torch.allclose(pairs["dropout"][1][kept], 2 * x[kept]))
    rows = (pairs["stochastic depth"][1] != 0).double().mean(1)
    work.claim("stochastic depth: an example is kept whole or not at all", bool(((rows == 0) | (rows == 1)).all()))
    two = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    normal = F.batch_norm(two, None, None, training=True, eps=1e-12)
    work.expect("batch norm of a unit that is 1 and 3 in a batch of two", [[-1], [1]], normal)

    window = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64, requires_grad=True)
    mean = F.stochastic_pool2d(window, (1, 2), training=False)
    mean.sum().backward()
    work.expect("stochastic pooling of 1 and 3: in testing the mean of the draw, (1 + 9)/4", [[[2.5]]], mean)
    work.expect("stochastic pooling of 1 and 3: gradient in testing", [[[-0.125, 0.875]]], window.grad)
    many = window.detach().expand(4000, 1, 2)
    drawn = seeded(lambda x: F.stochastic_pool2d(x, (1, 2)), 0)(many)
    share = float((drawn == 3).double().mean())
    work.claim(
        "stochastic pooling: in training the 3 is drawn three times out of four",
        abs(share - 0.75) < 0.03,
        f"{share:.1%} of 4,000",
    )
    work.figure(
        "S30-changes",
        "What comes in, above, and what goes out, below; a row is an example. Dropout blanks single units, stochastic "
        "depth whole examples; batch normalisation centres each column; stochastic pooling draws one of four.",
        before_and_after,
        pairs,
        (-2.3, 2.3),
    )
    work.ask(
        "Stochastic pooling of a window with 1 and 3: what comes out in testing?",
        2.5,
        {
            "that is the average; larger elements are drawn more often": 2,
            "that is max pooling": 3,
            "Σa² still has to be divided by Σa": 10,
        },
    )


@row(31, "Why regularise", noisy_curve, F.l2_penalty, F.mse_loss)
def s31(work: Work) -> None:
    r"""To say which weights are preferred, and to keep the model simple enough for pictures it has not seen. A penalty
    gives up a little of the fit to the training data for a better one to new data.

    Shown on a polynomial of degree 12 through 14 noisy points. Training has more ways: `python -m experiments.cifar`
    takes `--penalty`, `--dropout`, `--label-smoothing` and `--cutout`.
    """
    curve = noisy_curve(torch.logspace(-6, 2, 33, dtype=torch.float64))
    best, inputs = curve.best, powers(curve.x, 12)
    gradients = []
    for strength, solved in zip(curve.strengths, curve.weights, strict=True):
        w = solved[None].clone().requires_grad_()
        error = F.mse_loss(F.linear(inputs, w)[:, 0], curve.t)
        (grad,) = torch.autograd.grad(F.add(error, F.mul(F.l2_penalty(w), float(strength))), w)
        gradients.append(grad.abs().max())
    work.claim(
        "the hand-written gradient of error and penalty is 0 at each fit",
        max(gradients) < 1e-10,
        f"{max(gradients):.0e} at most",
    )
    for which, word in ((0, "next to no penalty"), (best, "the best"), (32, "far too strong")):
        numbers = [curve.train[which], curve.test[which], F.l2_penalty(curve.weights[which])]
        work.step(
            f"λ = {curve.strengths[which]:.1g}: train, test error, ΣW²", [round(float(n), 4) for n in numbers], word
        )
    work.claim("a suitable λ makes the test error far lower", curve.test[best] < curve.test[0] / 4)
    work.claim("at the price of a higher error in training", curve.train[best] > 4 * curve.train[0])
    gap = curve.test - curve.train
    work.claim(
        "and the gap between the two far smaller", gap[best] < gap[0] / 4, f"{gap[0]:.2f} before, {gap[best]:.2f} after"
    )
    work.claim("too strong a penalty is worse again", curve.test[-1] > 2 * curve.test[best])
    work.claim("the training error grows with λ throughout", all(a < b for a, b in pairwise(curve.train.tolist())))
    sizes = [float(F.l2_penalty(w)) for w in curve.weights]
    work.claim("the weights shrink with λ throughout", all(a > b for a, b in pairwise(sizes)))
    work.figure(
        "S31-fit",
        "Left: with next to no penalty the curve goes through the noise; with a suitable one near what lies behind it; "
        "with too much it is flat. Right: the error in training only grows with λ, that on new points falls first. "
        "The grey gap between them closes.",
        noisy_fit,
        curve,
        (0, best, 30),
    )


@row(32, "Which weights are preferred", F.l2_penalty, F.l1_penalty, F.elastic_net)
def s32(work: Work) -> None:
    r"""For x = [1, 1, 1, 1] two weights give the same score, and only the penalty tells them apart:

    | | w·x | L2 | L1 | elastic net, β = .5 |
    |---|---:|---:|---:|---:|
    | w₁ = [1, 0, 0, 0] | 1 | 1 | 1 | 1.5 |
    | w₂ = [.25, .25, .25, .25] | 1 | .25 | 1 | 1.125 |

    L2 spreads the weights out; L1 does not care.
    """
    x = torch.ones(4, dtype=torch.float64)
    first, second = torch.tensor([[1.0, 0, 0, 0], [0.25] * 4], dtype=torch.float64)
    work.step("x", x)
    for name, penalty, expected in (
        ("w·x", lambda w: F.matmul(w, x), [1, 1]),
        ("L2", F.l2_penalty, [1, 0.25]),
        ("L1", F.l1_penalty, [1, 1]),
        ("elastic net, β = .5", lambda w: F.elastic_net(w, beta=0.5), [1.5, 1.125]),
    ):
        work.expect(f"{name} of w₁ and w₂", expected, torch.stack([penalty(first), penalty(second)]))
    for name, penalty, stays in (("L2", F.l2_penalty, False), ("L1", F.l1_penalty, True)):
        w = held(penalty, first, x)
        work.step(f"from w₁, with w·x held near 1: w with {name}", w)
        spread = float(w.max() - w.min())
        if stays:
            work.claim("with L1 one weight stays the largest by far", spread > 0.9, f"{spread:.2f} apart")
        else:
            work.claim("with L2 gradient descent comes to equal weights", spread < 0.02, f"{spread:.4f} apart")
    work.figure(
        "S32-balls",
        "Curves of equal penalty on two weights; on the dashed line all weights give the same score. Filled: the lower "
        "penalty of [1, 0] and [.5, .5]. A circle touches the line in the middle; the diamond lies along it and does "
        "not care; the elastic net's rounded diamond touches in the middle again.",
        balls,
    )
    work.ask(
        "β = .5. What is the elastic net's penalty on w = [.25, .25, .25, .25]?",
        1.125,
        {
            "the squares alone, without β": 0.25,
            "β multiplies the squares only": 0.625,
            "β is missing": 1.25,
        },
    )

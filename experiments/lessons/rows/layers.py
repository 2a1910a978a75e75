"""A layer and its outputs."""

import torch

from experiments.lessons import figure51
from experiments.lessons.figure51 import W1, W2, X
from experiments.lessons.figures.activations import curve, pair
from experiments.lessons.figures.network import network
from experiments.lessons.row import row
from experiments.lessons.scores import SCORES
from experiments.lessons.work import Work
from experiments.training import models
from manualnet import functional as F
from manualnet import numeric
from manualnet.handwritten import foreign_nodes


@row(1, "Weighted sums", F.linear, F.matmul, F.sum)
def s1(work: Work) -> None:
    r"""A unit weighs its inputs, adds them up and adds a bias:

    ```math
    a_j = \sum_{i=1}^{D} w_{ji} x_i + w_{j0}
    ```

    For a batch $`X`$, one example a row, and with $`G = \partial L / \partial A`$ this gives
    $`\partial L / \partial X = G\,W`$, $`\;\partial L / \partial W = G^\top X`$ and
    $`\;\partial L / \partial b = \sum G`$ over the rows. $`W`$ has the shape (out, in).
    """
    x = torch.tensor([[1, 2, 0], [0, -1, 3]], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([[1, -1, 2], [0, 3, 1]], dtype=torch.float64, requires_grad=True)
    bias = torch.tensor([0.5, -1], dtype=torch.float64, requires_grad=True)
    grad = torch.tensor([[1, -1], [2, 0]], dtype=torch.float64)
    work.step("X", x, "two examples of three inputs")
    work.step("W", weight, "two units: a row each")
    work.step("b", bias)
    work.step("a₁ of the first example", weight[0] @ x[0] + bias[0], "1·1 − 1·2 + 2·0 + .5")
    a = F.linear(x, weight, bias)
    work.expect("A", [[-0.5, 5], [7.5, -1]], a)
    work.step("G", grad, "what comes back from above")
    grad_x, grad_weight, grad_bias = torch.autograd.grad(a, (x, weight, bias), grad)
    work.expect("∂L/∂X = G W", [[1, -4, 1], [2, -2, 4]], grad_x)
    work.expect("∂L/∂W = Gᵀ X", [[1, 0, 6], [-1, -2, 0]], grad_weight)
    work.expect("∂L/∂b = Σ G", [3, -1], grad_bias)

    parts = F.add(F.matmul(x, weight.T), bias)
    again = torch.autograd.grad(parts, (x, weight), grad)
    work.claim("a matrix product and a sum give the same values", torch.equal(parts, a))
    work.claim("and the same gradients", torch.equal(again[0], grad_x) and torch.equal(again[1], grad_weight))
    slopes = numeric.gradient(lambda w: F.sum(F.linear(x, w, bias) * grad), weight)
    work.claim("central differences agree", torch.allclose(slopes, grad_weight, rtol=0, atol=1e-8))
    work.ask(
        "G is [[1, −1], [2, 0]] and X is [[1, 2, 0], [0, −1, 3]]. What is the gradient of the first unit's weights?",
        [1, 0, 6],
        {
            "the second example counts too: its G is 2": [1, 2, 0],
            "that is G times X, row by column; the examples have to be summed over: Gᵀ X": [1, 3, -3],
            "both examples count, each times its own G: the second times 2": [1, 1, 3],
        },
    )


@row(2, "The bias as an input", F.linear, F.pad)
def s2(work: Work) -> None:
    r"""With an extra input $`x_0 = 1`$, and $`z_0 = 1`$ in the next layer (figure 5.1), the bias is one more weight.
    Both forms give the same values and the same gradients.

    ⚠ Some slides start their sums at 0 and some at 1: the bias is folded in, or stands apart. A sum that starts at 1
    needs $`w_{j0}`$ beside it.
    """
    folded = W1.clone().requires_grad_()
    bias, weight = (part.clone().requires_grad_() for part in (W1[:, 0], W1[:, 1:]))
    extended = F.pad(X, (1, 0), value=1.0)
    work.step("x", X)
    work.step("x with x₀", extended)
    work.step("W with the bias as its first column", W1)
    apart, together = F.linear(X, weight, bias), F.linear(extended, folded)
    work.expect("a, the bias apart", [0, 1.4], apart)
    work.expect("a, the bias folded in", [0, 1.4], together)
    grad = torch.tensor([2, -1], dtype=torch.float64)
    grad_bias, grad_weight = torch.autograd.grad(apart, (bias, weight), grad)
    (grad_folded,) = torch.autograd.grad(together, folded, grad)
    work.step("gradient that comes back", grad)
    work.expect("gradient of the folded W", [[2, 2, 4], [-1, -1, -2]], grad_folded)
    same = torch.equal(grad_folded, torch.cat([grad_bias[:, None], grad_weight], dim=1))
    work.claim("its first column is the bias's gradient, the others the weights'", same)
    work.slip("a, its sum started at 1 with nothing beside it, and with wⱼ₀", slide=F.linear(X, weight), right=together)
    hidden = F.pad(F.sigmoid(apart), (1, 0), value=1.0)
    units = [("x", extended), ("z", hidden), ("y", F.sigmoid(F.linear(hidden, W2)))]
    work.figure(
        "S2-network",
        "The network of figure 5.1 with the numbers of golden A: x₀ and z₀ are always 1, and the dashed links from "
        "them carry the biases. No link leads into z₀.",
        network,
        [(letter, values.tolist()) for letter, values in units],
        [W1, W2],
    )


@row(3, "Two layers", F.linear, F.sigmoid, models.two_layer)
def s3(work: Work) -> None:
    r"""The outputs of the first layer are the inputs of the second:

    ```math
    a_j \;\longrightarrow\; z_j = h(a_j)
    \;\longrightarrow\; a_k = \sum_{j=1}^{M} w_{kj} z_j + w_{k0} \;\longrightarrow\; y_k
    ```
    """
    x = F.pad(X, (1, 0), value=1.0)
    work.step("x", x, "with x₀")
    hidden = F.linear(x, W1)
    work.expect("a_j", [0, 1.4], hidden)
    z = F.sigmoid(hidden)
    work.expect("z_j = σ(a_j)", [0.5, 0.802184], z)
    out = F.linear(F.pad(z, (1, 0), value=1.0), W2)
    work.step("a_k", out, ".05 + .7·.5 − .6·.802184")
    y = F.sigmoid(out)
    work.expect("y_k = σ(a_k)", [0.479684], y)

    work.claim(
        "the modules of manualnet.nn give the same y", torch.allclose(figure51.layers()(X), y, rtol=1e-14, atol=0)
    )
    work.ask(
        "x = [1, 2], and a hidden unit has the bias −.2 and the weights [.8, .4]. What does it give out, if h is σ?",
        z[1],
        {
            "that is a, before the activation": hidden[1],
            "the bias is missing": F.sigmoid(torch.tensor(1.6)),
            "the bias is −.2: it is added with its sign": F.sigmoid(torch.tensor(0.8 * 1 + 0.4 * 2 + 0.2)),
        },
    )


@row(4, "Sigmoid", F.sigmoid)
def s4(work: Work) -> None:
    r"""The output for two classes:

    ```math
    \sigma(a) = \frac{1}{1 + e^{-a}}, \qquad \sigma'(a) = \sigma(a)\,(1 - \sigma(a))
    ```

    σ(0) = .5 with slope .25; σ(2) = .880797 with slope .104994.
    """
    a = torch.tensor([0.0, 2.0], dtype=torch.float64, requires_grad=True)
    work.step("e^(−a) at 0 and 2", (-a).exp())
    y = F.sigmoid(a)
    work.expect("σ(0), σ(2)", [0.5, 0.880797], y)
    (slope,) = torch.autograd.grad(y.sum(), a)
    work.expect("σ'(0), σ'(2)", [0.25, 0.104994], slope)
    drawn = curve(F.sigmoid, reach=8)
    work.claim(
        "central differences agree from −8 to 8", drawn.error < 1e-9, f"they differ by {drawn.error:.0e} at most"
    )
    work.claim("no slope is above ¼", drawn.slope.max() == 0.25)
    far = torch.tensor([-1000.0, 1000.0], dtype=torch.float64, requires_grad=True)
    work.expect("σ(−1000), σ(1000)", [0, 1], F.sigmoid(far))
    work.expect("slopes there: saturated", [0, 0], torch.autograd.grad(F.sigmoid(far).sum(), far)[0])
    work.figure(
        "S4-sigmoid",
        "The sigmoid and its derivative, with dots from central differences. Shaded: saturated, a slope below .05.",
        pair,
        {"σ": drawn},
        letter="a",
    )
    work.ask(
        "σ(2) is .880797. What is the slope there?",
        slope[1],
        {
            "that is 1 − σ; it is multiplied by σ": 1 - y[1],
            "that is 1 − σ², which belongs to tanh": 1 - y[1] ** 2,
            "that is the slope at 0, the largest": 0.25,
        },
    )


@row(5, "Softmax", F.softmax)
def s5(work: Work) -> None:
    r"""The output for several classes:

    ```math
    p_k = \frac{e^{a_k}}{\sum_j e^{a_j}}, \qquad
    \frac{\partial L}{\partial a_k} = p_k \Bigl( g_k - \sum_j g_j\, p_j \Bigr), \qquad g = \frac{\partial L}{\partial p}
    ```

    Subtracting the largest score first changes nothing and keeps $`e^a`$ finite: [1000, 0] gives [1, 0].
    """
    scores = SCORES[0].clone().requires_grad_()
    work.step("a", scores, "the scores of S23's cat")
    exponentials = (scores - scores.max()).exp()
    work.step("e^(a − 5.1)", exponentials, "the largest is 1")
    p = F.softmax(scores, dim=0)
    work.expect("p", [0.129983, 0.869050, 0.000968], p)
    work.claim("they add up to 1", abs(p.sum() - 1) < 1e-14)
    naive = scores.exp() / scores.exp().sum()
    work.claim("subtracting the largest score changes nothing", torch.allclose(p, naive, rtol=1e-13, atol=0))

    grad = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    work.step("g", grad, "any gradient that comes back")
    work.step("Σ g p", (grad * p).sum())
    (grad_scores,) = torch.autograd.grad(p, scores, grad)
    by_formula = p * (grad - (grad * p).sum())
    work.step("∂L/∂a", grad_scores)
    work.claim("it is p ⊙ (g − Σ g p)", torch.allclose(grad_scores, by_formula, rtol=1e-12, atol=0))
    jacobian = torch.diag(p) - torch.outer(p, p)
    work.claim(
        "it is the Jacobian pₖ(1[k = j] − pⱼ) times g", torch.allclose(grad_scores, jacobian @ grad, rtol=0, atol=1e-14)
    )
    slopes = numeric.jacobian(lambda a: F.softmax(a, dim=0), scores)
    work.claim("central differences give that Jacobian", torch.allclose(slopes, jacobian, rtol=0, atol=1e-9))

    large = torch.tensor([1000.0, 0.0], dtype=torch.float64)
    work.step("[1000, 0] by the formula as written", large.exp() / large.exp().sum(), "∞/∞")
    work.expect("softmax of [1000, 0]", [1, 0], F.softmax(large, dim=0))
    two = F.softmax(torch.tensor([2.0, 0.0], dtype=torch.float64), dim=0)
    work.expect("softmax of [2, 0] is σ(2), σ(−2)", [0.880797, 1 - 0.880797], two)
    work.ask(
        "Two classes have the scores 1002 and 1000. What is the probability of the first?",
        two[0],
        {
            "that is the share of the scores; take e to their power": 1002 / 2002,
            "that is e^2 alone; divide it by e^2 + e^0": two[0] / two[1],
            "that is the other class's": two[1],
        },
    )


@row(6, "Finally, all in one expression", F.linear, F.pad, F.sigmoid)
def s6(work: Work) -> None:
    r"""Put together, the network of [S3](#s3) is

    ```math
    y_k(x, w) = \sigma \Bigl( \sum_{j=1}^{M} w_{kj}\, h \Bigl( \sum_{i=1}^{D} w_{ji} x_i + w_{j0} \Bigr) + w_{k0} \Bigr)
    ```

    and nothing else.
    """
    w1, w2 = W1.clone().requires_grad_(), W2.clone().requires_grad_()

    def expression(x, w1, w2):
        return F.sigmoid(F.linear(F.pad(F.sigmoid(F.linear(F.pad(x, (1, 0), value=1.0), w1)), (1, 0), value=1.0), w2))

    y = expression(X, w1, w2)
    work.expect("y_k, in one expression", [0.479684], y)
    work.claim("every gradient in it is written by hand", foreign_nodes(y) == [])

    layers = figure51.layers()
    layered = layers(X)
    work.claim(
        "layer by layer, y is the same", torch.allclose(layered, y, rtol=1e-14, atol=0), f"y = {layered.item():.6f}"
    )
    grads = torch.autograd.grad(y, (w1, w2))
    work.step("∂y/∂W₁", grads[0])
    work.step("∂y/∂W₂", grads[1])
    weights, biases = (list(layers.parameters())[i::2] for i in (0, 1))
    for number, grad, weight, bias in zip("12", grads, weights, biases, strict=True):
        grad_bias, grad_weight = torch.autograd.grad(layered, (bias, weight), retain_graph=True)
        same = torch.allclose(grad, torch.cat([grad_bias[:, None], grad_weight], dim=1), rtol=1e-12, atol=0)
        work.claim(f"and so are the gradients of layer {number}", same)

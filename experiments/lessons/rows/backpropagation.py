"""Backpropagation."""

from functools import partial

import torch

from experiments.lessons.goldens import ETA, W1, W2, A, B, T, X
from experiments.lessons.row import row
from experiments.lessons.rows.algorithm import s55, s56, s57, s58  # noqa: F401 - the second half of this part
from experiments.lessons.scores import SCORES, TARGET
from experiments.lessons.tables import layer_table
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet import graph, numeric

TWO_OUTPUTS = torch.tensor([[0.05, 0.7, -0.6], [-0.1, 0.3, 0.2]], dtype=torch.float64)
TWO_TARGETS = torch.tensor([1.0, 0.0], dtype=torch.float64)


@row(47, "The chain rule", graph.trace, F.linear, F.sigmoid, F.softmax)
def s47(work: Work) -> None:
    r"""The loss depends on a weight through the weighted sum and the output that it feeds, so its gradient is a product
    of three factors, in each layer:

    ```math
    \frac{dL}{dw_{kj}} = \frac{dL}{dy_k} \frac{dy_k}{da_k} \frac{da_k}{dw_{kj}}, \qquad
    \frac{dL}{dw_{ji}} = \frac{dL}{dz_j} \frac{dz_j}{da_j} \frac{da_j}{dw_{ji}}
    ```

    The row shows the factors of [golden A](#golden-a), as tensors.

    ⚠ One factor a unit is right where every output depends on its own $`a_k`$ alone, as with the sigmoid. With softmax
    each output depends on all of them: on the cat's row the product unit by unit gives [−.870017, 0, 0], where the
    Jacobian gives the [−.870017, .869050, .000968] of [S34](#s34).
    """
    traced = graph.trace(A.error, W1=W1, W2=W2)
    for y, a, w, z, W, wanted in (
        ("y", "a_k", "w_kj", "z_1", "W2", A.numbers.dW2),
        ("z", "a_j", "w_ji", "x", "W1", A.numbers.dW1),
    ):
        upstream, local, gradient = traced[y].upstream, traced[y].local[0], traced[W].upstream
        assert upstream is not None
        assert local is not None
        assert gradient is not None
        work.step(f"dL/d{y}", upstream)
        work.step(f"d{y}/d{a}", local)
        work.step(f"d{a}/d{w}", traced[z].value)
        product = torch.outer(upstream * local, traced[z].value)
        work.expect(f"dL/d{w}, the product of the three", wanted, product)
        work.claim(f"the backward pass gives it: dL/d{w}", (product - gradient).abs().max() < 1e-15)

    scores = SCORES[0].clone().requires_grad_()
    p = F.softmax(scores, dim=0)
    slope = torch.tensor([-1 / p[0].item(), 0, 0], dtype=torch.float64)
    (jacobian,) = torch.autograd.grad(p, scores, slope)
    work.step("softmax of the cat's row", p, "dL/dp = [−1/p_cat, 0, 0]")
    work.expect("dL/da, with softmax's Jacobian", [-0.870017, 0.869050, 0.000968], jacobian)
    work.expect("dL/dp · dp/da, unit by unit", [-0.870017, 0, 0], slope * (p * (1 - p)))
    work.slip("with softmax, dL/da of the cat's row", slide=slope * (p * (1 - p)), right=jacobian)


@row(48, "Squared error", F.mse_loss, F.squared_error, F.sub)
def s48(work: Work) -> None:
    r"""The loss $`L = (y - y')^2`$ has the slope $`2\,(y - y')`$.

    ⚠ The examples further on use $`E = \tfrac12 \sum (y - t)^2`$, whose slope has no 2. Both exist, under two names. At
    y = 3 with target 1 the first is 4 with slope 4, the second 2 with slope 2.
    """
    t = torch.tensor([1.0], dtype=torch.float64)
    slopes = []
    for loss, value, slope in ((F.mse_loss, 4, 4), (F.squared_error, 2, 2)):
        y = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
        L = loss(y, t)
        L.backward()
        slopes.append(y.grad)
        work.expect(f"{loss.__name__} of 3 and 1", value, L)
        work.expect(f"its slope ({loss.__name__})", [slope], y.grad)
    work.slip("the slope of ½ (y − t)² at y = 3, t = 1", slide=slopes[0], right=slopes[1])
    work.ask("E = ½ (y − t)². What is dE/dy at y = .2, t = 1?", -0.8, {"the ½ takes the 2 of the square": -1.6})


@row(49, "The output's activation", F.sigmoid)
def s49(work: Work) -> None:
    r"""For the sigmoid,

    ```math
    \frac{dy_k}{da_k} = \sigma(a_k)\,(1 - \sigma(a_k))
    ```

    ⚠ The slide writes $`d(a_k)/d(a_k)`$ on the left, which is 1.
    """
    a = torch.tensor([0.0, 2.0, -0.0813103], dtype=torch.float64, requires_grad=True)
    y = F.sigmoid(a)
    (slope,) = torch.autograd.grad(y.sum(), a, retain_graph=True)
    work.step("a_k", a, "the last is golden A's")
    work.step("y_k = σ(a_k)", y)
    work.expect("dy_k/da_k", [0.25, 0.104994, 0.249587], slope)
    work.expect("σ(a_k)(1 − σ(a_k))", [0.25, 0.104994, 0.249587], y * (1 - y))
    differences = numeric.gradient(lambda a: F.sigmoid(a).sum(), a.detach())
    work.claim("central differences agree", (differences - slope).abs().max() < 1e-9)
    (itself,) = torch.autograd.grad(a.sum(), a)
    work.slip("the left side: d(a_k)/d(a_k) on the slide, dy_k/da_k is meant", slide=itself, right=slope)
    work.ask(
        "A sigmoid gives y = .8. What is its slope there?",
        0.16,
        {
            "that is σ(.8)(1 − σ(.8)), but .8 is y already, not a": 0.214,
            "y (1 − y) has two factors": 0.2,
            "y² has to be taken from y": 0.64,
        },
    )


@row(50, "The weight's own factor", F.linear, F.conv2d)
def s50(work: Work) -> None:
    r"""The weighted sum $`a_k`$ has the slope $`da_k / dw_{kj} = z_j`$, so the gradient of a layer's weights is the
    outer product of $`\delta`$ and $`z`$. A batch sums these products over its examples; a convolution, whose weights
    serve at every place, over the places as well.
    """
    hidden, output = A.table
    work.step("golden A: δ_k", output.err)
    work.step("golden A: z_j, after the bias's 1", output.inputs)
    work.expect("golden A: δ_k z_j", A.numbers.dW2, torch.outer(output.err, output.inputs))
    work.expect("golden A: δ_j x_i", A.numbers.dW1, torch.outer(hidden.err, hidden.inputs))
    draw = torch.Generator().manual_seed(0)
    z, delta = (torch.randn(5, n, generator=draw, dtype=torch.float64) for n in (3, 2))
    weight = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(F.linear(z, weight), weight, delta)
    for d, z_n in zip(delta, z, strict=True):
        found = found - torch.outer(d, z_n)
    work.claim(
        "linear sums δ zᵀ over a batch of 5", found.abs().max() < 1e-14, f"less their sum {found.abs().max():.0e}"
    )
    picture, errs = (torch.randn(1, 1, n, n, generator=draw, dtype=torch.float64) for n in (4, 3))
    kernel = torch.zeros(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(F.conv2d(picture, kernel), kernel, errs)
    for i, j in [(i, j) for i in range(3) for j in range(3)]:
        found = found - errs[0, 0, i, j] * picture[0, 0, i : i + 2, j : j + 2]
    sentence = "conv2d sums δ times the patch over its 9 places"
    work.claim(sentence, found.abs().max() < 1e-14, f"less their sum {found.abs().max():.0e}")
    work.ask(
        "δ = [.5, −2] and z = [1, 3]. What is dL/dw_21, of the second unit's weight for the first input?",
        -2,
        {"w_kj goes from unit j to unit k: the first index is δ's": 1.5, "δ₂ meets z₁, not z₂": -6},
        digits=1,
    )


@row(51, "The hidden weights directly", layer_table)
def s51(work: Work) -> None:
    r"""The slide's exercise. Written out, the chain rule gives

    ```math
    \frac{dL}{dw_{ji}} = \sum_k \frac{dL}{dy_k} \frac{dy_k}{da_k}\, w_{kj}\, h'(a_j)\, x_i
    ```

    which is what backpropagation gives, step by step.
    """
    second = [[-0.012482, -0.012482, -0.024965], [0.016699, 0.016699, 0.033399]]
    for title, W, t, wanted in (
        ("golden A", W2, T, A.numbers.dW1),
        ("golden A with a second output", TWO_OUTPUTS, TWO_TARGETS, second),
    ):
        hidden, output = layer_table([(W1, F.sigmoid), (W, F.sigmoid)], X, partial(F.squared_error, target=t))
        x, z, y = X, hidden.act, output.act
        directly = torch.zeros_like(W1)
        for j in range(len(z)):
            for i in range(len(x)):
                for k in range(len(y)):
                    directly[j, i] += (y[k] - t[k]) * y[k] * (1 - y[k]) * W[k, j + 1] * z[j] * (1 - z[j]) * x[i]
        work.expect(f"{title}: dL/dw_ji, directly", wanted, directly)
        apart = (directly - torch.outer(hidden.err, x)).abs().max()
        work.claim(f"{title}: backpropagation gives the same", apart < 1e-15, f"within {apart:.0e}")


@row(52, "The rough notation", layer_table)
def s52(work: Work) -> None:
    r"""With a layer's inputs *in*, its weighted sums *raw* and its outputs *act*,

    ```math
    \mathit{err}_i = \frac{dL}{d\,\mathit{act}_i} \frac{d\,\mathit{act}_i}{d\,\mathit{raw}_i}, \qquad
    w \leftarrow w - \eta \; \mathit{err}_i \; \mathit{in}_i
    ```

    `layer_table` makes the table of any network; here is that of [golden A](#golden-a).
    """
    expected = (
        ("hidden", [1, 1, 2], [0, 1.4], A.numbers.z, A.numbers.delta_j, A.numbers.W1_after),
        ("output", [1, *A.numbers.z], [-0.081310], A.numbers.y, A.numbers.delta_k, A.numbers.W2_after),
    )
    for (name, inputs, raw, act, err, after), line, W in zip(expected, A.table, (W1, W2), strict=True):
        work.expect(f"{name} layer: in", inputs, line.inputs)
        work.expect(f"{name} layer: raw", raw, line.raw)
        work.expect(f"{name} layer: act", act, line.act)
        work.expect(f"{name} layer: err", err, line.err)
        work.expect(f"{name} layer: w − η err in", after, W - ETA * torch.outer(line.err, line.inputs))


@row(53, "The same in symbols", F.linear)
def s53(work: Work) -> None:
    r"""With $`\delta`$ for the error, the gradient with respect to a weighted sum:

    ```math
    w_{kj} \leftarrow w_{kj} - \eta\, \delta_k z_j, \qquad
    w_{ji} \leftarrow w_{ji} - \eta\, \delta_j x_i, \qquad
    \frac{dL}{dz_j} = \sum_k w_{kj}\, \delta_k
    ```

    The sum is there because $`z_j`$ reaches the loss through every $`a_k`$ that it feeds.

    ⚠ $`\delta = dL/dz \cdot dz/da`$ holds for an activation that works on each unit by itself. And $`y_k - y_k'`$ is
    dL/dy alone: in golden A it is −.520316, but with $`h'`$ it becomes $`\delta_k`$ = −.129864.
    """
    z = torch.tensor([0.5, 0.802184], dtype=torch.float64, requires_grad=True)
    weight, bias = TWO_OUTPUTS[:, 1:], TWO_OUTPUTS[:, 0]
    F.squared_error(F.sigmoid(F.linear(z, weight, bias)), TWO_TARGETS).backward()
    _, output = layer_table(
        [(W1, F.sigmoid), (TWO_OUTPUTS, F.sigmoid)], X, partial(F.squared_error, target=TWO_TARGETS)
    )
    work.step("δ_k", output.err, "golden A with a second output")
    work.step("w_kj", weight)
    summed = [sum(float(weight[k, j] * output.err[k]) for k in range(2)) for j in range(2)]
    work.expect("Σ_k w_kj δ_k", [-0.049929, 0.105236], summed)
    work.expect("dL/dz_j, by linear's backward", [-0.049929, 0.105236], z.grad)
    work.slip("golden A: y_k − y_k′ for δ_k, and with h′", slide=A.table[1].act - T, right=A.table[1].err)
    scores, t = SCORES[0].clone().requires_grad_(), torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    p = F.softmax(scores, dim=0)
    F.squared_error(p, t).backward()
    by_unit = (p - t) * p * (1 - p)
    work.expect("softmax with ½ squared error, the cat's row: δ", [-0.196557, 0.197177, -0.000621], scores.grad)
    work.slip("softmax with ½ squared error: dL/dz · dz/da by unit, and δ", slide=by_unit, right=scores.grad)
    work.ask(
        "A hidden unit feeds two outputs with the weights 2 and −1, whose δ are .3 and .4. What is dL/dz of the unit?",
        0.2,
        {
            "both weights are counted with the sign that they have": 1.0,
            "the second output sends an error back as well": 0.6,
            "each δ meets the weight of its own output": 0.5,
        },
    )


@row(54, "Bishop's equation 5.56", F.squared_error, F.cross_entropy, F.binary_cross_entropy_with_logits, layer_table)
def s54(work: Work) -> None:
    r"""Every hidden unit takes its δ from those of the layer above:

    ```math
    \delta_j = h'(a_j) \sum_k w_{kj}\, \delta_k, \qquad \delta_k = y_k - t_k
    ```

    The second holds for identity outputs with ½ squared error. It is just as exact for softmax or sigmoid outputs with
    cross-entropy: the pairs are made for each other.
    """
    work.expect("golden B: δ_k = y_k − t_k", B.numbers.delta_k, B.table[1].act - T)
    work.expect("golden B: δ_j", B.numbers.delta_j, (1 - B.table[0].act ** 2) * (B.table[1].err @ W2[:, 1:]))
    t = torch.nn.functional.one_hot(TARGET, 3).double()
    for pair, activation, error in (
        ("identity with ½ squared error", lambda a: a, partial(F.squared_error, target=t)),
        (
            "softmax with cross-entropy",
            partial(F.softmax, dim=1),
            lambda a: F.cross_entropy(a, TARGET, reduction="sum"),
        ),
        ("sigmoid with cross-entropy", F.sigmoid, lambda a: F.binary_cross_entropy_with_logits(a, t, reduction="sum")),
    ):
        a = SCORES.clone().requires_grad_()
        (delta,) = torch.autograd.grad(error(a), a)
        apart = float((activation(SCORES) - t - delta).abs().max())
        work.claim(f"{pair}: δ_k = y_k − t_k on all of S23's scores", apart < 1e-15, f"within {apart:.0e}")
        if pair.startswith("softmax"):
            work.expect(f"{pair}: δ of the cat's row", [-0.870017, 0.869050, 0.000968], delta[0])
    deep = [W1, -W1, 2 * W1, TWO_OUTPUTS]
    table = layer_table([(W, F.tanh) for W in deep], X, partial(F.squared_error, target=TWO_TARGETS))
    apart = 0.0
    for W, line, above in zip(deep[1:], table, table[1:], strict=False):
        delta_j = (1 - line.act**2) * (above.err @ W[:, 1:])
        apart = max(apart, float((delta_j - line.err).abs().max()))
    work.claim("four layers of tanh: δ_j from the δ_k above, down to the first", apart < 1e-15, f"within {apart:.0e}")
    work.ask(
        "A tanh unit gives z = .6 and feeds one output with weight 2, whose δ is .5. What is the unit's δ?",
        0.64,
        {
            "h′ = 1 − z² is missing": 1,
            "that is the sigmoid's slope z (1 − z)": 0.24,
            "h′ is 1 − z², not 1 − z": 0.4,
            "the weight between the two is missing": 0.32,
        },
    )

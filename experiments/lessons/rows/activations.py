"""Activation functions."""

import torch

from experiments.lessons.figures.activations import curve, pair, slopes
from experiments.lessons.row import row
from experiments.lessons.show.values import written
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet import nn, numeric


@row(7, "Tanh", F.tanh)
def s7(work: Work) -> None:
    r"""Tanh is a sigmoid from −1 to 1:

    ```math
    h(a) = \tanh a = \frac{e^{a} - e^{-a}}{e^{a} + e^{-a}}, \qquad h'(a) = 1 - h(a)^2
    ```

    tanh(1) = .761594 with slope .419974.

    ⚠ Computed as written, the formula overflows: for a = 1000 it is ∞/∞, where tanh is 1.
    """
    one = torch.tensor(1.0, dtype=torch.float64)
    work.step("e and e⁻¹", torch.stack([one.exp(), (-one).exp()]))
    work.expect("tanh(1)", 0.761594, F.tanh(one))
    work.expect("tanh'(1)", 0.419974, slopes(F.tanh, one))
    drawn = curve(F.tanh)
    work.claim(
        "central differences agree from −5 to 5", drawn.error < 1e-9, f"they differ by {drawn.error:.0e} at most"
    )
    a = drawn.x
    work.claim("tanh a = 2σ(2a) − 1", torch.allclose(F.tanh(a), 2 * F.sigmoid(2 * a) - 1, rtol=0, atol=1e-14))

    def as_written(a):
        return (a.exp() - (-a).exp()) / (a.exp() + (-a).exp())

    large = torch.tensor(1000.0, dtype=torch.float64)
    work.slip("tanh(1000), by the formula and by the function", slide=as_written(large), right=F.tanh(large))
    work.figure(
        "S7-tanh",
        "Tanh and its derivative, with dots from central differences. Shaded: saturated, a slope below .05.",
        pair,
        {"tanh": drawn},
        letter="a",
    )
    work.ask(
        "tanh(1) is .761594. What is the slope there?",
        0.419974,
        {
            "that is 1 − h; it is 1 − h²": 1 - 0.761594,
            "that is h (1 − h), which belongs to the sigmoid": 0.761594 * (1 - 0.761594),
        },
    )


@row(8, "ReLU", F.relu)
def s8(work: Work) -> None:
    r"""Max(0, x), with slope 1 above 0 and 0 below.

    ⚠ The slide's two cases, x ≥ 0 and x ≤ 0, both hold at 0. They agree on the value and not on the slope; here, as in
    PyTorch, the slope at 0 is 0.
    """
    x = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)
    work.step("x", x)
    work.expect("ReLU(x)", [0, 0, 3], F.relu(x))
    work.expect("slope", [0, 0, 1], slopes(F.relu, x))
    work.slip("slope at 0: both cases hold, with two slopes; the one that is taken", slide=[1, 0], right=0)
    work.claim("PyTorch takes the same", torch.equal(slopes(F.relu, x), slopes(torch.relu, x)))
    zero = torch.tensor(0.0, dtype=torch.float64)
    work.expect("central difference at 0: the mean of both sides", 0.5, numeric.gradient(F.relu, zero))
    work.expect("forward difference at 0: the right side", 1, numeric.gradient(F.relu, zero, method="forward"))
    drawn = curve(F.relu, kinks=[0])
    work.claim("away from 0 central differences agree", drawn.error < 1e-9, f"they differ by {drawn.error:.0e} at most")
    work.figure(
        "S8-relu",
        "ReLU and its derivative. At the kink the slope jumps; the filled dot is taken. Shaded: no gradient passes.",
        pair,
        {"ReLU": drawn},
    )


@row(9, "Leaky ReLU", F.leaky_relu)
def s9(work: Work) -> None:
    r"""Max(0.1 x, x). The lecture's slope below 0 is .1; PyTorch's default, and so ours, is .01."""

    def lecture(x):
        return F.leaky_relu(x, 0.1)

    x = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)
    work.step("x", x)
    work.expect("with the lecture's .1", [-0.2, 0, 3], lecture(x))
    work.expect("slope", [0.1, 0.1, 1], slopes(lecture, x))
    work.expect("with the default, .01", [-0.02, 0, 3], F.leaky_relu(x))
    work.expect("slope", [0.01, 0.01, 1], slopes(F.leaky_relu, x))
    drawn = curve(lecture, kinks=[0])
    work.claim("it is max(.1x, x)", torch.equal(drawn.value, torch.maximum(0.1 * drawn.x, drawn.x)))
    work.claim("away from 0 central differences agree", drawn.error < 1e-9, f"they differ by {drawn.error:.0e} at most")
    work.claim("its slope is nowhere 0", drawn.slope.min() > 0, f"{drawn.slope.min():.2g} at least")
    work.figure(
        "S9-leaky-relu",
        "Leaky ReLU with the lecture's slope and with PyTorch's. No shade: with the first, gradient passes everywhere.",
        pair,
        {"slope .1 (lecture)": drawn, "slope .01 (default)": curve(F.leaky_relu, kinks=[0])},
    )
    work.ask(
        "What does F.leaky_relu(x) give at x = −2, called without a slope?",
        -0.02,
        {
            "that is with the lecture's slope, which has to be given: F.leaky_relu(x, 0.1)": -0.2,
            "that is ReLU": 0.0,
        },
    )


@row(10, "PReLU", F.prelu)
def s10(work: Work) -> None:
    r"""PReLU learns the slope below 0. It gives x where x > 0, else a x, and

    ```math
    \frac{\partial L}{\partial a} = \sum_{x \le 0} \frac{\partial L}{\partial y}\, x
    ```

    ⚠ The slide's max(a x, x) says the same only for a ≤ 1. For a = 2 and x = −1 the unit gives −2, the maximum −1.
    """
    x = torch.tensor([-1.0, -3.0, 0.0, 2.0], dtype=torch.float64)
    slope = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    work.step("x", x)
    work.step("a", slope)
    y = F.prelu(x, slope)
    work.expect("y", [-2, -6, 0, 2], y)
    work.slip("y at x = −1, as max(a x, x) and by its definition", slide=torch.maximum(slope * x, x)[0], right=y[0])
    grad = torch.tensor([1.0, 0.5, 4.0, 10.0], dtype=torch.float64)
    work.step("∂L/∂y", grad)
    work.expect("∂L/∂a = 1·(−1) + .5·(−3)", -2.5, torch.autograd.grad(y, slope, grad)[0])
    differences = numeric.gradient(lambda a: (F.prelu(x, a) * grad).sum(), slope)
    work.claim("central differences agree", abs(differences + 2.5) < 1e-8)
    half = torch.tensor(0.5, dtype=torch.float64)
    work.claim("for a = ½ both forms agree", torch.equal(F.prelu(x, half), torch.maximum(half * x, x)))

    # ½ Σ (a x − |x|)² is smallest where the line below 0 goes up: a = −1.
    unit = nn.PReLU(dtype=torch.float64)
    for _ in range(20):
        (step,) = torch.autograd.grad(F.squared_error(unit(x), x.abs()), unit.weight)
        unit.weight.data -= 0.1 * step
    work.claim("a is learned: fitted to |x|, it goes to −1", abs(unit.weight.item() + 1) < 1e-6, written(unit.weight))

    def steep(x):
        return F.prelu(x, slope.detach())

    def gentle(x):
        return F.prelu(x, torch.tensor(0.25, dtype=torch.float64))

    drawn = {"a = .25": curve(gentle, kinks=[0], reach=3), "a = 2": curve(steep, kinks=[0], reach=3)}
    work.claim("away from 0 central differences agree in x as well", max(c.error for c in drawn.values()) < 1e-9)
    grid = drawn["a = 2"].x
    work.figure(
        "S10-prelu",
        "PReLU with two slopes. For a = 2 it lies below the dotted maximum of the slide.",
        pair,
        drawn,
        {"max(2x, x)": torch.maximum(2 * grid, grid)},
    )
    work.ask(
        "A PReLU with a = 2 gets x = [−1, −3, 0, 2] and the gradient [1, .5, 4, 10] from above. What is ∂L/∂a?",
        -2.5,
        {
            "where x > 0, a has no influence": 17.5,
            "the gradient from above multiplies each x": -4.0,
            "that is multiplied by a, which belongs to ∂L/∂x": -5.0,
        },
    )


@row(11, "Maxout", F.maxout)
def s11(work: Work) -> None:
    r"""The largest of several affine functions (two on the slide):

    ```math
    y = \max\bigl( w_1^\top x + b_1,\; w_2^\top x + b_2 \bigr)
    ```

    The gradient goes to the piece that wins; at a tie to the first of them, once. With w₁ = 0 and no biases this is the
    ReLU of w₂ᵀx; with w₁ = .1 w₂ it is the leaky one.
    """
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    weight = torch.tensor([[[1, 1]], [[3, -1]], [[0, 2]]], dtype=torch.float64, requires_grad=True)
    bias = torch.tensor([[0.5], [0], [-1]], dtype=torch.float64, requires_grad=True)
    work.step("x", x)
    work.step("pieces wᵀx + b", (weight @ x[0] + bias)[:, 0], "1 + 2 + .5, 3 − 2, 4 − 1")
    y = F.maxout(x, weight, bias)
    work.expect("y", [[3.5]], y)
    grads = torch.autograd.grad(y.sum(), (weight, bias))
    work.expect("gradient of the weights: x, to the first piece", [[[1, 2]], [[0, 0]], [[0, 0]]], grads[0])
    work.expect("gradient of the biases", [[1], [0], [0]], grads[1])

    tied = torch.tensor([[[2.0]], [[2.0]], [[1.0]]], dtype=torch.float64, requires_grad=True)
    (at_tie,) = torch.autograd.grad(F.maxout(torch.ones(1, 1, dtype=torch.float64), tied).sum(), tied)
    work.expect("a tie of the first two pieces: one of them, once", [[[1]], [[0]], [[0]]], at_tie)

    def unit(*slopes: float, biases: tuple[float, ...] = (0.0, 0.0, 0.0)):
        pieces = torch.tensor(slopes, dtype=torch.float64).reshape(-1, 1, 1)
        offsets = torch.tensor(biases[: len(slopes)], dtype=torch.float64).reshape(-1, 1)
        return lambda a: F.maxout(a.unsqueeze(-1), pieces, offsets).squeeze(-1)

    two, three = unit(0, 1), unit(-0.5, 0.2, 1, biases=(-1.0, 0.0, -2.0))
    grid = torch.linspace(-5, 5, 101, dtype=torch.float64)
    for name, ours, theirs in (
        ("w₁ = 0 gives ReLU, slope at 0 included", two, F.relu),
        ("w₁ = .1 w₂ gives leaky ReLU", unit(0.1, 1), lambda a: F.leaky_relu(a, 0.1)),
    ):
        same = torch.equal(ours(grid), theirs(grid)) and torch.equal(slopes(ours, grid), slopes(theirs, grid))
        work.claim(name, same)
    drawn = curve(three, kinks=[-10 / 7, 2.5])
    work.claim(
        "away from kinks central differences agree", drawn.error < 1e-9, f"they differ by {drawn.error:.0e} at most"
    )
    lines = {"−.5x − 1": -0.5 * drawn.x - 1, ".2x": 0.2 * drawn.x, "x − 2": drawn.x - 2}
    work.figure(
        "S11-maxout",
        "A maxout unit of three pieces (dotted): it bends where another piece takes over, with that piece's slope.",
        pair,
        {"maxout": drawn},
        lines,
    )
    work.ask(
        "A maxout unit has the pieces x₁ + x₂ + .5, 3x₁ − x₂ and 2x₂ − 1. What does it give for x = [1, 2]?",
        3.5,
        {
            "that is the second piece; the largest counts": 1.0,
            "that is their sum": 7.5,
            "the biases are missing": 4.0,
        },
    )


@row(12, "ELU", F.elu, F.gelu)
def s12(work: Work) -> None:
    r"""ELU bends what is negative towards −α:

    ```math
    y = \begin{cases} x & x \ge 0 \\ \alpha\,(e^{x} - 1) & x < 0 \end{cases}
    ```

    For α = 1, ELU(−1) = −.632121 with slope .367879. The exponential is not taken of large x, so ELU(1000) = 1000 with
    slope 1.

    ⚠ At 0, where the cases meet, the slope taken is α, that of the lower one, as in PyTorch.
    """
    x = torch.tensor([-1.0, 1000.0], dtype=torch.float64)
    work.step("e⁻¹", torch.tensor(-1.0, dtype=torch.float64).exp())
    work.expect("ELU(−1), ELU(1000)", [-0.632121, 1000], F.elu(x))
    work.expect("slopes", [0.367879, 1], slopes(F.elu, x))

    def twice(x):
        return F.elu(x, 2.0)

    zero = torch.tensor(0.0, dtype=torch.float64)
    work.expect("slope at 0 is α: for α = 1 and 2", [1, 2], torch.stack([slopes(F.elu, zero), slopes(twice, zero)]))
    # For α = 1 the slope does not jump at 0, but it bends, and differences across a bend are less exact.
    drawn = {"α = 1": curve(F.elu, kinks=[0]), "α = 2": curve(twice, kinks=[0])}
    error = max(c.error for c in drawn.values())
    work.claim("away from 0 central differences agree", error < 1e-9, f"they differ by {error:.0e} at most")
    gelu = curve(F.gelu)
    work.claim("GELU's differences, not in the lecture but often used, agree too", gelu.error < 1e-9)
    work.claim("GELU is not monotonic", gelu.slope.min() < 0, f"its slope goes down to {written(gelu.slope.min(), 3)}")
    work.figure(
        "S12-elu",
        "ELU and its derivative: smooth for α = 1, a kink at 0 for any other. Shaded: saturated, a slope below .05.",
        pair,
        drawn,
    )
    work.figure(
        "S12-gelu",
        "GELU, which is not in the lecture, and its derivative. It falls before it rises.",
        pair,
        {"GELU": gelu},
    )
    work.ask(
        "What is ELU(−1) with α = 2?",
        2 * (torch.tensor(-1.0).exp() - 1),
        {
            "that is with α = 1": -0.632121,
            "that is the slope there": 2 * 0.367879,
            "that is 2e⁻¹ − 1; α multiplies both": 2 * 0.367879 - 1,
        },
    )

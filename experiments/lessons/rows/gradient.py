"""The gradient."""

import torch

from experiments.lessons.differences import cost, errors
from experiments.lessons.figures.cost import time_of_gradients
from experiments.lessons.figures.slopes import secants, step_size
from experiments.lessons.row import row
from experiments.lessons.scores import SCORES, TARGET
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet import numeric


def cube(x):
    return F.mul(x, F.mul(x, x))


@row(37, "A derivative is a limit", numeric.gradient, numeric.jacobian)
def s37(work: Work) -> None:
    r"""The derivative is the limit of the slopes of secants; the gradient is the vector of all partial derivatives.

    ```math
    \frac{df}{dx} = \lim_{h \to 0} \frac{f(x + h) - f(x)}{h}, \qquad
    \nabla f = \Bigl( \frac{\partial f}{\partial x_1}, \dots, \frac{\partial f}{\partial x_n} \Bigr)
    ```

    With a small h in the place of the limit this is a *forward difference*. For $`f(x) = x^3`$ at $`x = 1`$ it is
    $`3 + 3h + h^2`$. A step to either side errs less: the *central difference*
    $`\frac{f(x + h) - f(x - h)}{2h}`$ is $`3 + h^2`$.
    """
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    cube(x).backward()
    work.expect("f′(1), by hand-written rules", 3, x.grad)
    steps = (1.0, 0.5, 0.1, 0.01)
    work.step("h", list(steps))
    for method, slopes in (("forward", [7, 4.75, 3.31, 3.0301]), ("central", [4, 3.25, 3.01, 3.0001])):
        found = [float(numeric.gradient(cube, x, method=method, h=h)) for h in steps]
        work.expect(f"{method} differences", slopes, found)
    point = torch.tensor([-2.0, 5.0, -4.0], dtype=torch.float64)
    by_numbers = numeric.gradient(lambda p: F.mul(F.add(p[0], p[1]), p[2]), point)
    work.expect("∇ of (x + y)·z at −2, 5, −4, by central differences", [-4, -4, 3], by_numbers)
    work.figure(
        "S37-secants",
        "Left: secants of x³ turn into its tangent at x = 1 as h shrinks. Right: their slopes, and those of central "
        "differences, against h. The forward slope comes in on a straight line, the central one on a parabola.",
        secants,
        lambda x: cube(x),
        1.0,
        3.0,
        (1.0, 0.5, 0.1),
    )
    work.ask(
        "f(x) = x³. What is the forward difference at x = 1 with h = .5?",
        4.75,
        {
            "that is the derivative itself, the limit": 3,
            "the difference of the values still has to be divided by h": 2.375,
            "that is the central difference": 3.25,
        },
    )


@row(38, "One weight after the other", numeric.gradient)
def s38(work: Work) -> None:
    r"""Add h = .0001 to one weight at a time and see what becomes of the loss. On the slide it goes from 1.25347 to
    1.25322, 1.25353 and 1.25347: slopes −2.5, .6 and 0.

    ⚠ Five decimals of the loss resolve a slope only to ±.1: each loss may be off by half of .00001, their difference by
    .00001, and that is divided by .0001. The third slope is not 0, but somewhere between −.1 and .1.
    """
    before, after, h = 1.25347, torch.tensor([1.25322, 1.25353, 1.25347], dtype=torch.float64), 1e-4
    work.step("loss", before)
    work.step("loss with h added to one weight", after, "the first, the second, the third")
    slopes = (after - before) / h
    work.expect("slopes", [-2.5, 0.6, 0], slopes)
    off = 2 * 0.000005 / h
    work.expect("what the rounding of two losses may add to a slope, or take from it", 0.1, off)
    work.slip(
        "the slopes, and what the printed losses say of them: from, to",
        slide=slopes,
        right=torch.stack([slopes - off, slopes + off], dim=1),
    )

    weight = torch.tensor(
        [[0.34, -1.11, 0.78], [0.12, 0.55, 2.81], [-3.1, -1.5, 0.33]], dtype=torch.float64, requires_grad=True
    )
    pixels = torch.tensor([[0.31, 0.12, 0.57], [0.83, 0.29, 0.41], [0.64, 0.98, 0.07]], dtype=torch.float64)

    def loss(w):
        return F.hinge_loss(F.linear(pixels, w), TARGET)

    def printed(w):
        return round(float(loss(w)), 5)

    (exact,) = torch.autograd.grad(loss(weight), weight)
    work.step(
        "the slide's nine weights, with three small pictures", printed(weight.detach()), "hinge loss, five decimals"
    )
    work.step("gradient, by hand-written rules", exact)
    rough = numeric.gradient(printed, weight, method="forward", h=h)
    work.step("slopes from five decimals", rough)
    wrong = (rough - exact).abs().max()
    work.claim(
        "five decimals give every slope to ±.1, and no better", 0.02 < wrong <= off + 1e-6, f"off by {wrong:.2g}"
    )
    fine = (numeric.gradient(loss, weight, method="forward", h=h) - exact).abs().max()
    work.claim("all decimals of the loss give them to ±.00000001", fine < 1e-8, f"off by {fine:.0e}")
    work.ask(
        "With h = .0001 added to the second weight the loss goes from 1.25347 to 1.25353. What is the slope?",
        0.6,
        {
            "that is the change of the loss; divide it by h": 0.00006,
            "the loss rises, so the slope is positive": -0.6,
            "the loss at the moved weight comes first, and both are divided": 12535.3,
        },
    )


@row(39, "“This is silly”", numeric.gradient, F.linear, F.hinge_loss)
def s39(work: Work) -> None:
    r"""Differences need one evaluation of the loss for each weight, and one more: 30,721 for the weights of
    [S21](#s21), 30,731 with its biases. Calculus needs one backward pass, which costs about as much as a few
    evaluations however many weights there are.

    So the gradient is derived once, by hand, and differences are kept to check it: `python -m manualnet.check` does
    that for every function here.
    """
    weight, bias = torch.zeros(10, 3072), torch.zeros(10)
    counted = {"with the biases held": 0, "to move a bias": 0}

    def loss(w, b):
        counted["to move a bias" if b.any() else "with the biases held"] += 1
        return 0.0

    numeric.gradient(loss, weight, bias, method="forward")
    for name, evaluations in counted.items():
        work.step(f"evaluations {name}", evaluations)
    work.expect("evaluations for the weights of S21", 30_721, counted["with the biases held"])
    work.expect("and with its biases", 30_731, sum(counted.values()))

    costs = [cost(pixels) for pixels in (2, 8, 32, 128)]
    costs.append(cost(3072, like=costs[-1]))
    for c in costs:
        how = "forward differences; one forward and one backward" if c.measured else "the first if nothing gets slower"
        work.step(f"seconds for {c.parameters:,} parameters", f"{c.differences:.2g}; {c.backward:.2g}", how)
    first, last = (costs[i].ratio for i in (0, 3))
    work.claim(
        "the more parameters, the longer differences take beside one backward",
        last > 5 * first,
        f"{first:.0f} times as long for 20 parameters, {last:.0f} times for 1,280",
    )
    work.figure(
        "S39-cost",
        "Time of a gradient against the number of parameters of a linear classifier, measured just now. Hollow: "
        "extrapolated, every evaluation taken to last as long as those measured last. The labels say how many times as "
        "long differences take.",
        time_of_gradients,
        costs,
    )
    work.ask(
        "A linear classifier has 3,072 pixels, 10 classes and no bias. How many times must its loss be evaluated for a "
        "gradient by forward differences?",
        30_721,
        {
            "one more is needed: the loss where nothing is moved": 30_720,
            "that counts the biases too": 30_731,
            "that is for central differences, two for each weight": 61_440,
            "every class has weights of its own": 3_073,
        },
        digits=0,
    )


@row(40, "What is wanted", F.hinge_loss, F.linear, F.l2_penalty, numeric.gradient)
def s40(work: Work) -> None:
    r"""What is wanted is $`\nabla_W L`$ of the hinge loss on linear scores with a penalty,

    ```math
    L = \frac{1}{N} \sum_{i=1}^{N} L_i + \sum_k W_k^2, \qquad
    \nabla_W L = \frac{1}{N} \sum_{i=1}^{N} g_i\, x_i^\top + 2W
    ```

    where $`g_i`$ is the gradient of $`L_i`$ with respect to the scores, as in [S24](#s24).
    """
    x = torch.tensor([[1.0, 2.0], [3.0, 1.0]], dtype=torch.float64)
    target = torch.tensor([0, 2])
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]], dtype=torch.float64, requires_grad=True)

    def loss(w):
        return F.add(F.hinge_loss(F.linear(x, w), target), F.l2_penalty(w))

    scores = F.linear(x, weight)
    work.step("x", x, "two examples, of classes 0 and 2")
    work.step("W", weight)
    work.step("scores", scores, "s = W x")
    work.step(
        "L_i", F.hinge_loss(scores, target, reduction="none"), "(2 − 1 + 1) + (1 − 1 + 1), (3 + 2 + 1) + (1 + 2 + 1)"
    )
    work.step("penalty", F.l2_penalty(weight), "1 + 1 + 1 + 1")
    work.expect("L", 10.5, loss(weight))
    g = torch.tensor([[-2.0, 1.0, 1.0], [1.0, 1.0, -2.0]], dtype=torch.float64)
    work.step("g_i", g, "each violation: 1 for its class, −1 for the right one")
    closed = sum(torch.outer(g[i], x[i]) for i in range(2)) / 2 + 2 * weight.detach()
    wanted = [[2.5, -1.5], [2, 3.5], [-4.5, 2]]
    work.expect("closed form", wanted, closed)
    (backward,) = torch.autograd.grad(loss(weight), weight)
    work.expect("hand-written backward", wanted, backward)
    work.expect("central differences", wanted, numeric.gradient(loss, weight))
    work.claim("closed form and backward are equal to the last bit", torch.equal(closed, backward))
    work.ask(
        "Two examples cost 3 and 10, and the weights are 1, 0, 0, 1, −1, 1. What is L?",
        10.5,
        {
            "the penalty ΣW² is missing": 6.5,
            "the losses of the examples are averaged": 17,
            "the lecture's penalty has no ½": 8.5,
        },
    )


@row(41, "The simplest case", F.linear, F.matmul, numeric.gradient, numeric.step)
def s41(work: Work) -> None:
    r"""The gradient of $`f(x, w) = w_1 x_1 + \dots + w_D x_D`$ with respect to w is x, exactly.

    Where f is curved, differences are never exact. A large step errs by the curve: by a multiple of h (forward) or of
    $`h^2`$ (central). A small one errs by the round-off of the values, $`\varepsilon |f| / h`$. The best step lies
    between, near $`\varepsilon^{1/2}`$ for forward and $`\varepsilon^{1/3}`$ for central differences, with
    $`\varepsilon`$ the spacing of the type's numbers at 1.
    """
    x = torch.tensor([56.0, 231.0, 24.0, 2.0], dtype=torch.float64)
    work.step("x", x)
    for name, function in (("linear", lambda w: F.linear(x, w.unsqueeze(0))), ("matmul", lambda w: F.matmul(w, x))):
        w = torch.tensor([0.2, -0.5, 0.1, 2.0], dtype=torch.float64, requires_grad=True)
        (grad,) = torch.autograd.grad(function(w), w)
        work.expect(f"gradient of {name}", [56, 231, 24, 2], grad)
        work.claim(f"it is x, to the last bit ({name})", torch.equal(grad, x))

    def loss(scores):
        return F.cross_entropy(scores, TARGET)

    kinds = [(method, dtype) for dtype in (torch.float32, torch.float64) for method in numeric.METHODS]
    found = [errors(loss, SCORES, method, dtype) for method, dtype in kinds]
    for one in found:
        h, least = one.best
        name, usual = f"{one.method}, {str(one.dtype).removeprefix('torch.')}", numeric.step(one.dtype, one.method)
        work.step(f"least error, {name}", f"{least:.1e}", f"at h = {h:.1e}, of the cross-entropy of S23's scores")
        sentence = f"{name}: numeric.step gives the best step to a factor of 20"
        work.claim(sentence, usual / 20 < h < usual * 20, f"{usual:.1e} for {h:.1e}")
    forward, central = found[2:]
    for one, low, power in ((forward, 1e-6, 1), (central, 1e-4, 2)):
        slope = one.power(low * 0.99, 0.011)
        sentence = f"the error of {one.method} differences falls with h{'²' if power == 2 else ''} until round-off"
        work.claim(sentence, abs(slope - power) < 0.03, f"with h to the power of {slope:.3f}")
    worse = [one.errors[-1] / one.best[1] for one in found]
    work.claim("a step too small is far worse than the best", min(worse) > 10, f"{min(worse):.0f} times at least")
    work.claim("the best of float64 beats the best of float32", central.best[1] < found[1].best[1] / 1e4)
    work.figure(
        "S41-step",
        "Error of numerical gradients of the cross-entropy of S23's scores against the step, large steps on the left. "
        "It falls with h (forward) or h² (central) until the round-off of the values takes over, then rises with 1/h.",
        step_size,
        found,
    )

"""The hinge loss."""

import torch

from experiments.lessons.row import row
from experiments.lessons.scores import CLASSES, SCORES, TARGET
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet.reference import functional as reference


@row(23, "Three examples, three classes", F.hinge_loss, F.cross_entropy)
def s23(work: Work) -> None:
    r"""These scores serve every loss below:

    | example | cat | car | frog | hinge, [S24](#s24) | cross-entropy, [S34](#s34) |
    |---|---:|---:|---:|---:|---:|
    | a cat | **3.2** | 5.1 | −1.7 | 2.9 | 2.040355 |
    | a car | 1.3 | **4.9** | 2.0 | 0 | .079132 |
    | a frog | 2.2 | 2.5 | **−3.1** | 12.9 | 6.156477 |
    | mean | | | | 5.266667 | 2.758655 |
    """
    for name, scores, y in zip(CLASSES, SCORES, TARGET, strict=True):
        work.step(f"scores of the {name}", scores, f"right class: {CLASSES[y]}, number {y}")
    best = SCORES.argmax(dim=1)
    work.expect("class with the highest score", [1, 1, 1], best)
    work.claim("one example of three is classified correctly", (best == TARGET).sum() == 1, "the car")


@row(24, "Hinge loss", F.hinge_loss)
def s24(work: Work) -> None:
    r"""Every wrong class that comes within 1 of the right one costs:

    ```math
    L_i = \sum_{j \ne y_i} \max(0,\; s_j - s_{y_i} + 1)
    ```

    Losses 2.9, 0, 12.9. Gradients by row [−1, 1, 0], [0, 0, 0], [1, 1, −2]: each violation pushes its class down and
    the right one up.

    ⚠ PyTorch's `multi_margin_loss` divides by the number of classes; the lecture's loss does not.
    """
    scores = SCORES.clone().requires_grad_()
    for name, s, y in zip(CLASSES, SCORES, TARGET, strict=True):
        violations = [s[j] - s[y] + 1 for j in range(3) if j != y]
        terms = [f"max(0, {v:.1f})".replace("-", "−") for v in violations]
        work.step(f"the {name}", sum(v.clamp(min=0) for v in violations), " + ".join(terms))
    losses = F.hinge_loss(scores, TARGET, reduction="none")
    work.expect("L_i", [2.9, 0, 12.9], losses)
    losses.sum().backward()
    work.expect("gradient by row", [[-1, 1, 0], [0, 0, 0], [1, 1, -2]], scores.grad)
    theirs = torch.nn.functional.multi_margin_loss(SCORES, TARGET, reduction="none")
    work.expect("PyTorch's multi_margin_loss, a third of it", [0.966667, 0, 4.3], theirs)
    work.ask(
        "What does the frog's picture cost? Its scores are cat 2.2, car 2.5, frog −3.1.",
        12.9,
        {
            "the right class is not summed over: its term would be max(0, 0 + 1)": 13.9,
            "the margin of 1 is missing in each term": 10.9,
            "both wrong classes cost something, and their costs are added": 6.6,
            "PyTorch's multi_margin_loss divides by the number of classes; the lecture's loss does not": 4.3,
        },
        digits=1,
    )


@row(25, "What it wants", F.hinge_loss)
def s25(work: Work) -> None:
    r"""The right score is to be higher than every other by 1 at least,

    ```math
    s_{y_i} \ge s_j + 1
    ```

    for every wrong class. Where the margin is met exactly there is a kink; the slope taken there is 0.
    """
    at, under = (torch.tensor([[2.0, s]], dtype=torch.float64, requires_grad=True) for s in (1.0, 1.001))
    for scores in (at, under):
        F.hinge_loss(scores, torch.tensor([0])).backward()
    work.step("scores that meet the margin exactly", at, "2 = 1 + 1")
    work.expect("gradient where it is met exactly", [[0, 0]], at.grad)
    work.step("scores that miss it by .001", under)
    work.expect("gradient where .001 is missing", [[-1, 1]], under.grad)


@row(26, "The mean over the data", F.hinge_loss, F.mean)
def s26(work: Work) -> None:
    r"""The loss of the data is the mean of the examples' losses,

    ```math
    L = \frac{1}{N} \sum_{i=1}^{N} L_i = \frac{15.8}{3} = 5.266667
    ```

    The slide rounds to 5.3. The gradient carries the 1/3: [−1/3, 1/3, 0] for the cat.
    """
    scores = SCORES.clone().requires_grad_()
    losses = F.hinge_loss(scores, TARGET, reduction="none")
    work.step("L_i", losses)
    loss = F.mean(losses)
    work.expect("L", 5.266667, loss)
    work.expect("L as on the slide", 5.3, loss, digits=1)
    (gradient,) = torch.autograd.grad(loss, scores)
    work.expect("gradient of the cat's scores", [-1 / 3, 1 / 3, 0], gradient[0])
    work.claim("reduction='mean', the default, is the same", F.hinge_loss(SCORES, TARGET) == loss)
    work.ask(
        "Three examples cost 2.9, 0 and 12.9. What is the loss of the data?",
        15.8 / 3,
        {
            "that is the sum; the mean divides it by the number of examples": 15.8,
            "the example that costs 0 counts as well: N is 3": 7.9,
        },
    )


@row(27, "Zero loss is not unique", F.hinge_loss)
def s27(work: Work) -> None:
    r"""If W gives L = 0, so does 2W: the margin of 1 is met all the better. Doubled, the car's scores still cost 0,
    but the batch is not yet there and costs 4.8, 0, 23.8.
    """
    losses = F.hinge_loss(SCORES, TARGET, reduction="none")
    doubled = F.hinge_loss(2 * SCORES, TARGET, reduction="none")
    work.step("L_i with W", losses)
    work.expect("L_i with 2W", [4.8, 0, 23.8], doubled)
    twin = reference.hinge_loss(2 * SCORES, TARGET, reduction="none")
    work.claim("PyTorch's own operations give the same", torch.equal(doubled, twin))
    car = F.hinge_loss(torch.stack([k * SCORES[1] for k in (1, 2, 10, 1000)]), TARGET[[1, 1, 1, 1]], reduction="none")
    work.expect("the car with W, 2W, 10W and 1000W", [0, 0, 0, 0], car)

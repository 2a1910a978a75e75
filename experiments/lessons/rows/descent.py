"""Gradient descent."""

import math
from typing import Any

import torch

from experiments.lessons import landscapes, rates
from experiments.lessons.descend import descend
from experiments.lessons.figures.landscapes import planes, slices
from experiments.lessons.figures.learning_rates import bound, curves
from experiments.lessons.figures.seeds import ends, gaps
from experiments.lessons.many import generalisation, xor
from experiments.lessons.row import row
from experiments.lessons.work import Work
from experiments.training import data
from manualnet import functional as F
from manualnet import optim

SETTINGS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    {"weight_decay": 0.01, "maximize": True},
]


@row(42, "Walk downhill", optim.SGD)
def s42(work: Work) -> None:
    r"""Step against the gradient, time after time; $`\eta`$ is the learning rate:

    ```math
    w^{(\tau + 1)} = w^{(\tau)} - \eta\, \nabla E\bigl(w^{(\tau)}\bigr)
    ```

    `manualnet.optim.SGD` does this, with momentum and weight decay where they are asked for. It equals PyTorch's to
    the last bit.
    """
    goal = torch.tensor([3.0, 1.0], dtype=torch.float64)
    path, losses = descend(lambda w: F.squared_error(w, goal), torch.zeros(2, dtype=torch.float64), lr=0.1, steps=2)
    work.step("E(w)", "½(w₁ − 3)² + ½(w₂ − 1)²", "its gradient is w − (3, 1); η = .1")
    work.expect("w: at the start, after one step, after two", [[0, 0], [0.3, 0.1], [0.57, 0.19]], path)
    work.expect("E there", [5, 4.05, 3.2805], losses)

    for name in landscapes.LOSSES:
        loss = landscapes.loss_of(name)
        same = True
        for settings in SETTINGS:
            ours, theirs = (landscapes.START.clone().requires_grad_() for _ in range(2))
            optimizers = optim.SGD([ours], lr=0.1, **settings), torch.optim.SGD([theirs], lr=0.1, **settings)
            for _ in range(20):
                for weight, optimizer in zip((ours, theirs), optimizers, strict=True):
                    optimizer.zero_grad()
                    loss(weight).backward()
                    optimizer.step()
                same &= torch.equal(ours, theirs)
        work.claim(f"{name}: the same weights as torch.optim.SGD after every step", same, "20 steps, five settings")

    found = {name: landscapes.plane(name, lr=0.3, steps=60) for name in landscapes.LOSSES}
    for name, one in found.items():
        work.step(f"{name} loss at the start, after 60 steps", one.path_losses[[0, -1]])
        work.claim(f"{name}: the plane of the picture holds the path", one.share > 0.99, f"{one.share:.2%} of it")
    work.claim("cross-entropy: every step is downhill", found["cross-entropy"].falling)
    cuts = {"hinge": landscapes.cut("hinge", 0.3, 12), "cross-entropy": landscapes.cut("cross-entropy", 0.6, 12)}
    bends = {name: one.losses.diff().diff() for name, one in cuts.items()}
    flat = (bends["hinge"].abs() < 1e-9).double().mean()
    work.claim("on the line, the hinge loss is straight between kinks", 0.5 < flat < 1, f"at {flat:.0%} of the points")
    work.claim("and cross-entropy bends upwards everywhere", bends["cross-entropy"].min() > 0)
    work.figure(
        "S42-slices",
        "Loss of a linear classifier of twelve points along the line of the first step, and gradient descent on it. "
        "The hinge loss is made of straight pieces, the cross-entropy is smooth; both are convex.",
        slices,
        cuts,
    )
    work.figure(
        "S42-planes",
        "The same two losses on the plane that holds the path of gradient descent in all six weights, from the square "
        "to the star: straight down across the lines of equal loss at first, then slowly along the valley.",
        planes,
        found,
    )
    work.ask(
        "E = ½(w₁ − 3)² + ½(w₂ − 1)², w = (0, 0), η = .1. Where is w after one step?",
        [0.3, 0.1],
        {
            "the step goes against the gradient, towards (3, 1)": [-0.3, -0.1],
            "the step is the learning rate times the gradient": [3, 1],
            "the ½ of E and the 2 of its derivative cancel": [0.6, 0.2],
        },
    )


@row(43, "How far at a time", optim.SGD, rates.on_parabola, rates.on_pictures)
def s43(work: Work) -> None:
    r"""Too small a step is slow, too large a one diverges. On the parabola $`\tfrac{1}{2} c w^2`$ a step multiplies
    w by $`1 - \eta c`$, which shrinks it only for $`\eta < 2/c`$:

    | $`\eta`$ | w goes |
    |---|---|
    | below $`1/c`$ | straight to 0 |
    | $`1/c`$ | to 0 in one step |
    | between $`1/c`$ and $`2/c`$ | to 0, changing its sign at every step |
    | $`2/c`$ | to and fro, for ever |
    | above $`2/c`$ | away |
    """
    c = 4.0
    work.step("c", c, "bounds 1/c = .25 and 2/c = .5; w starts at 1")
    for lr, after in ((0.1, 0.216), (0.25, 0), (0.4, -0.216), (0.5, -1), (0.6, -2.744)):
        work.expect(f"w after three steps with η = {lr:g}", after, rates.on_parabola(c, lr, 3)[-1])
    paths = {lr: rates.on_parabola(c, lr, 40) for lr in (0.1, 0.4, 0.499, 0.5, 0.501, 0.6)}
    for lr in (0.1, 0.4, 0.499):
        shrinks, seen = (paths[lr].abs().diff() < 0).all(), f"|w| after 40: {paths[lr][-1].abs():.2g}"
        work.claim(f"η = {lr:g} is below 2/c: w comes closer at every step", shrinks, seen)
    signs = [bool((paths[lr][1:] * paths[lr][:-1] < 0).all()) for lr in (0.1, 0.4)]
    work.claim("w changes sign at every step for η = .4, above 1/c, and never for η = .1", signs == [False, True])
    work.claim("at η = 2/c it stays as far as it was", (paths[0.5].abs() == 1).all())
    for lr in (0.501, 0.6):
        grows = (paths[lr].abs().diff() > 0).all()
        work.claim(f"η = {lr:g} is above 2/c: w goes away", grows, f"|w| after 40: {paths[lr][-1].abs():.2g}")
    work.figure(
        "S43-bound",
        "Gradient descent on ½·4·w² from w = 1 with four rates: below 1/c, between 1/c and 2/c, at 2/c, above.",
        bound,
        c,
        {lr: rates.on_parabola(c, lr, 8) for lr in (0.1, 0.4, 0.5, 0.6)},
    )

    pictures = work.pictures()
    names = {0.001: "0.001, too low", 0.05: "0.05, good", 0.5: "0.5, too high"}
    losses = {name: rates.on_pictures(pictures, lr) for lr, name in names.items()}
    low, good, high = losses.values()
    for name, values in losses.items():
        work.step(
            f"training loss with {name}", values[-1], f"mean of the last five steps; {values[0]:.3f} at the start"
        )
    work.claim(
        "too low: the loss falls slowly", good[-1] < low[-1] - 0.3, f"{low[-1]:.2f}, and {good[-1]:.2f} with .05"
    )
    work.claim("too high: it leaves the range of float32", high[-1] == math.inf)
    work.figure(
        "S43-pictures",
        "Training loss of a two-layer network on "
        + ("CIFAR-10" if pictures.real else "the embedded pictures")
        + " with "
        "three learning rates: too low hardly moves, good falls, too high leaves the picture at once.",
        curves,
        losses,
    )
    work.ask(
        "E = ½cw² with c = 4. Below which learning rate does gradient descent converge?",
        0.5,
        {
            "that is 1/c, where one step is enough; up to 2/c w still shrinks": 0.25,
            "it is 2 divided by c: steeper needs smaller steps": 8,
            "the gradient is cw, not ½cw": 1,
        },
    )


@row(44, "No guarantee", optim.SGD, xor, F.l1_penalty)
def s44(work: Work) -> None:
    r"""Training may stop in a local optimum or oscillate; yet in practice large networks reach a low error. An epoch
    is one pass over all training data. Learning rate, number of units and number of layers may be hard to choose.

    On the four points of XOR, a small ReLU network may end with points that it cannot tell apart, all gradients 0. With
    two points of different classes merged, the best loss is $`\tfrac{1}{2} \ln 2`$; with three merged it is
    $`\tfrac{3}{4} H(\tfrac{1}{3})`$ with $`H`$ the entropy; with all four $`\ln 2`$. More units help.
    """
    path, _ = descend(F.l1_penalty, torch.tensor(0.1, dtype=torch.float64), lr=0.2, steps=5)
    work.expect("E = |w|, η = .2: w steps over the kink and back", [0.1, -0.1, 0.1, -0.1, 0.1, -0.1], path)

    entropy = math.log(3) - 2 / 3 * math.log(2)
    levels = {"2 merged": math.log(2) / 2, "3 merged": 0.75 * entropy, "all merged": math.log(2)}
    work.expect("losses with 2, 3 and 4 points merged", [0.346574, 0.477386, 0.693147], [*levels.values()])
    losses = {width: xor(width) for width in (1, 2, 4, 8)}
    stuck = {width: int((ended > 0.1).sum()) for width, ended in losses.items()}
    for width, count in stuck.items():
        work.step(f"{width} hidden units", count, f"of {len(losses[width])} starts end in a local optimum")
    work.claim("one unit never solves XOR, eight always do", stuck[1] == 30 and stuck[8] == 0)
    work.claim(
        "the more units, the fewer starts get stuck", sorted(stuck.values(), reverse=True) == list(stuck.values())
    )
    known = torch.tensor([0.0, *levels.values()])
    every = torch.cat(list(losses.values()))
    far = (every[:, None] - known).abs().min(1).values.max()
    work.claim("every start ends at a solution or at one of the three levels", far < 0.01, f"within {far:.3f}")
    work.figure(
        "S44-xor",
        "Thirty starts for each number of hidden units: the loss at which gradient descent on XOR ended, 0 if solved. "
        "Crosses are local optima, in which two, three or all four points share their scores.",
        ends,
        losses,
        levels,
    )
    work.ask(
        "E = |w|, η = .2, and w starts at .1. Where is w after three steps?",
        -0.1,
        {
            "that is after an even number of steps": 0.1,
            "the gradient of |w| is the sign of w: it changes when w does": -0.5,
            "a constant step does not land on the kink": 0,
        },
    )


@row(45, "Choose on a validation set", data.split, data.load)
def s45(work: Work) -> None:
    r"""Of the 50,000 training images, 5,000 are held out to choose by: learning rate, widths, strength of penalties.
    The test set is used once, at the end: the best of many choices looks better than it is on the set it was chosen by.
    """
    pictures = work.pictures()
    images = [(255 * kept).round().to(torch.uint8) for kept in (pictures.train_images, pictures.test_images)]
    labels = pictures.train_labels, pictures.test_labels
    dataset = data.Dataset("all", pictures.classes, images[0], labels[0], images[1], labels[1])
    train, validation = data.split(dataset)
    total = len(labels[0])
    expected = [45_000 if pictures.real else 5_000, 5_000]
    work.expect("pictures to train on, to choose by", expected, [len(train), len(validation)])
    work.step("test pictures, kept for the end", len(labels[1]))
    both = torch.cat([train, validation]).sort().values
    work.claim("no picture is in both, and none is left out", torch.equal(both, torch.arange(total)))
    turned = data.Dataset("all", pictures.classes, images[0].flip(0), labels[0].flip(0), images[1], labels[1])
    again = data.split(turned)[1]
    work.claim("the same are held out when the file is read backwards", torch.equal(total - 1 - again, validation))

    draw = torch.Generator().manual_seed(0)
    right = torch.rand(1000, 200, generator=draw) < 0.5  # a thousand classifiers that toss a coin, 100 + 100 pictures
    chosen_on, tested_on = right[:, :100].float().mean(1), right[:, 100:].float().mean(1)
    best = chosen_on.argmax()
    work.step("best of 1,000 coin tossers, on the 100 pictures it was chosen by", chosen_on[best])
    work.step("the same one on 100 others", tested_on[best])
    flattered = chosen_on[best] > 0.6 and abs(float(tested_on[best]) - 0.5) < 0.1
    work.claim(
        "what it was chosen by flatters it", flattered, f"{chosen_on[best]:.2f}, and {tested_on[best]:.2f} on others"
    )
    work.ask(
        "Of 50,000 training pictures 5,000 are held out; 10,000 others are for the test. How many are trained on?",
        45_000,
        {
            "those held out for validation are not trained on": 50_000,
            "the test pictures are a set of their own, they are not taken from the 50,000": 35_000,
            "the test pictures are never trained on": 55_000,
        },
        digits=0,
    )


@row(46, "A little history", F.dropout, generalisation)
def s46(work: Work) -> None:
    r"""Neural networks were out of fashion in the 1990s and early 2000s. Depth, [dropout](#s30) and much more data
    brought them back.

    What data and dropout do shows in a small measurement: two numbers of five decide the class, every fifth label is
    wrong, and 64 hidden units can learn sixty labels by heart.
    """
    errors = {f"{count} points": generalisation(count) for count in (60, 240, 720)}
    errors |= {f"60, dropout\n{p:g}": generalisation(60, p) for p in (0.5, 0.8)}
    for name, (train, test) in errors.items():
        means = torch.stack([train.mean(), test.mean()])
        work.step(name.replace("\n", " "), means, "errors in training and in test, means of sixteen networks")
    few, some, many, half, most = errors.values()
    seen = ", ".join(f"{test.mean():.3f}" for _, test in (few, some, many))
    better = few[1].mean() > some[1].mean() + 0.02 and some[1].mean() > many[1].mean() + 0.02
    work.claim("more data lowers the test error", better, seen)
    gap = [float((test - train).mean()) for train, test in (few, half, most)]
    seen = f"{gap[0]:.3f} without, {gap[1]:.3f} with .5, {gap[2]:.3f} with .8"
    narrower = gap[0] > gap[1] + 0.03 and gap[1] > gap[2] + 0.03
    work.claim("dropout narrows the gap between training and test", narrower, seen)
    work.figure(
        "S46-gaps",
        "Errors in training and in test, means of sixteen networks and their standard errors. With more points the two "
        "meet near the share of wrong labels; with sixty points dropout brings them closer.",
        gaps,
        errors,
        0.2,
    )

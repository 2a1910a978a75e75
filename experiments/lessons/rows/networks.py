"""What networks can do."""

import math
from itertools import pairwise

import torch

import manualnet
from experiments.lessons import approximation, depth, neuron, shapes, toy
from experiments.lessons.figures.activations import curve, pair, slopes
from experiments.lessons.figures.approximation import growing
from experiments.lessons.figures.boundaries import accuracy, boundaries
from experiments.lessons.figures.cells import cells, learning
from experiments.lessons.figures.depth import equal_size, tents, vanishing
from experiments.lessons.perceptron import classifier, count, minimise, perceptron
from experiments.lessons.row import row
from experiments.lessons.show.values import written
from experiments.lessons.work import Work
from experiments.training import models
from experiments.training.config import Config
from manualnet import functional as F
from manualnet import nn


@row(13, "A non-linear classifier", toy, perceptron, classifier)
def s13(work: Work) -> None:
    r"""The activation makes it so: without one, two layers are a single linear one, $`W_2 (W_1 x) = (W_2 W_1)\, x`$.

    A linear classifier draws one straight line. No line separates XOR, two moons or a spiral; two layers do.
    """
    corners, target = toy.xor()
    extended = F.pad(corners, (1, 0), value=1.0)
    best = torch.linalg.lstsq(extended, target[:, None]).solution
    work.step("XOR: corners", corners)
    work.step("XOR: wanted", target)
    work.expect("the best linear fit of XOR", [0.5, 0.5, 0.5, 0.5], (extended @ best)[:, 0])
    total = corners.sum(dim=1)
    work.expect("h(x₁ + x₂) − 2 h(x₁ + x₂ − 1), h = ReLU", [0, 1, 1, 0], F.relu(total) - 2 * F.relu(total - 1))

    flat = perceptron([2, 8, 1], nn.Identity, bias=1)
    w1, b1, w2, b2 = flat.parameters()
    points = toy.spiral()[0]
    collapsed = F.linear(points, w2 @ w1, w2 @ b1 + b2)
    work.claim("without activation, two layers are W₂W₁", torch.allclose(flat(points), collapsed, rtol=0, atol=1e-13))

    problems = {"XOR": toy.xor(copies=15, noise=0.12), "moons": toy.moons(), "spiral": toy.spiral()}
    networks = {}
    for name, data in problems.items():
        networks[name] = [("linear", classifier(data))]
        networks[name] += [(f"{width} units", classifier(data, width)) for width in (2, 4, 16)]
        shares = [accuracy(network, data) for _, network in networks[name]]
        work.step(f"{name}: share that is right", shares, "linear; 2, 4 and 16 hidden units")
        work.claim(f"{name}: the linear classifier fails", shares[0] < 0.95, f"{written(100 * shares[0], 1)} % right")
        work.claim(f"{name}: 16 hidden units succeed", shares[-1] > 0.99, f"{written(100 * shares[-1], 1)} % right")
    work.figure(
        "S13-boundaries",
        "Where a linear classifier and networks of 2, 4 and 16 hidden tanh units decide, and how many points each gets "
        "right. More units bend the boundary in more places.",
        boundaries,
        problems,
        networks,
    )
    work.ask(
        "A plane is fitted to XOR by least squares. What does it give at the corner (1, 1), where 0 is wanted?",
        0.5,
        {
            "that is what is wanted; no plane goes through all four corners": 0.0,
            "the corners (0, 1) and (1, 0) pull up, but (0, 0) pulls down as much": 1.0,
        },
    )


@row(14, "A universal approximator", approximation)
def s14(work: Work) -> None:
    r"""With enough hidden units, two layers come as close as you like to any continuous function. A ReLU unit can bend
    a line at one point, so $`M`$ of them join $`M + 1`$ points of the function by straight lines, and twice the units
    leave about a quarter of the error.

    ⚠ On a compact set, and with a suitable activation, not a polynomial. That such weights exist does not say that
    training finds them.
    """
    swept = approximation.sweep()
    by_hand, trained = swept.errors
    for width, *errors in zip(swept.widths, by_hand, trained, strict=True):
        work.step(f"{width} hidden unit{'s' * (width > 1)}: errors", errors, "weights set by hand; trained")
    falls = all(b < a for a, b in pairwise(by_hand[1:]))
    work.claim("set by hand, the error falls with every doubling from 2 units on", falls)
    ratio = by_hand[-2] / by_hand[-1]
    work.claim("and in the end to a quarter", abs(ratio - 4) < 0.2, f"from 16 units to 32, by a factor of {ratio:.2f}")
    seen = ", ".join(written(error, 4) for error in trained[::2])
    work.claim("trained, it falls from 1 to 4 to 16 units", trained[0] > trained[2] > trained[4], seen)
    starts = [trained[2], *(approximation.error(approximation.trained(4, seed)) for seed in (1, 2))]
    seen = ", ".join(written(error, 3) for error in starts)
    work.claim("training does not find the best weights from every start", max(starts) > 1.3 * min(starts), seen)
    outside = torch.linspace(2, 3, 101, dtype=torch.float64)[:, None]
    errors = [approximation.error(network, outside) for network in (swept.by_hand[-1], swept.trained[-1])]
    seen = " and ".join(written(error, 3) for error in errors)
    work.claim(
        "from 2 to 3, off the interval, 32 units are far away", min(errors) > 20 * max(by_hand[-1], trained[-1]), seen
    )
    work.slip(
        "smallest error that any number of units with h(a) = a² can reach",
        slide="as small as you like",
        right=round(approximation.best_with_squares(), 6),
    )
    work.figure(
        "S14-approximation",
        "A function of one number, and networks of growing width: the error falls, whether the weights are set by hand "
        "or trained.",
        growing,
        swept,
    )


@row(
    15,
    "The biology",
    F.step,
    F.conv2d,
    F.conv2d_max_pool2d,
    F.pad,
    F.max_pool2d,
    F.avg_pool2d,
    F.adaptive_avg_pool2d,
)
def s15(work: Work) -> None:
    r"""A neuron weighs its inputs, sums them, and fires when the sum passes a threshold.
    The threshold as an activation, 1 for x > 0 and else 0, has the slope 0 wherever it has one: no gradient passes, and
    the layers below learn nothing.

    Hubel and Wiesel found simple cells, which answer to an edge of one direction at one place, and complex cells, which
    answer to it anywhere nearby. They are the idea behind convolution and pooling.

    ⚠ The slide spells the second name Weisel.
    """
    corners, _ = toy.xor()
    weight, bias = torch.ones(1, 2, dtype=torch.float64), torch.tensor([-1.5], dtype=torch.float64)
    work.step("x₁ + x₂ − 1.5 at the corners of a square", F.linear(corners, weight, bias)[:, 0])
    work.expect("fires where both inputs do", [0, 0, 0, 1], F.step(F.linear(corners, weight, bias))[:, 0])
    x = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    work.expect("step at −2, 0 and 2", [0, 0, 1], F.step(x))
    work.expect("its gradient", [0, 0, 0], slopes(F.step, x))
    drawn = curve(F.step, kinks=[0])
    work.claim("away from the jump, differences give 0 as well", drawn.error == 0)
    work.slip("the second name", slide="Weisel", right="Wiesel")
    work.figure("S15-step", "The step and its derivative: 0 on both sides of the jump.", pair, {"step": drawn})

    learned = {"step": neuron.learn_xor(nn.Step), "sigmoid": neuron.learn_xor(nn.Sigmoid)}
    for name, run in learned.items():
        work.step(f"loss on XOR with {name} units", run.losses[-1], f"from {written(run.losses[0], 3)}")
    stayed, moved = learned["step"].moved, learned["sigmoid"].moved
    work.claim("under steps, the first weights do not move at all", stayed == 0)
    work.claim("under sigmoids they do", moved > 0.1, f"by {written(moved, 2)} in length")
    losses = {name: run.losses for name, run in learned.items()}
    work.claim("the network of steps does not learn XOR", losses["step"][-1] > 0.6)
    work.claim("that of sigmoids does", losses["sigmoid"][-1] < 0.2)
    work.figure(
        "S15-learning",
        "XOR by gradient descent, from the same start. Only the top layer of the network of steps can move.",
        learning,
        losses,
    )

    pictures = neuron.pictures()
    work.step("what a simple cell looks for", neuron.EDGE)
    simple = {name: neuron.simple(picture) for name, picture in pictures.items()}
    complex_ = {name: nn.MaxPool2d(8)(answers[None, None]).item() for name, answers in simple.items()}
    work.expect("complex cell: line, moved, turned", [3, 3, 0], list(complex_.values()))
    one, other = simple["a line"], simple["moved by 2"]
    work.claim("moving the line moves the simple cells' answers", torch.equal(one.roll(2, dims=1), other))
    means = torch.cat([F.avg_pool2d(one[None], 8).flatten(), F.adaptive_avg_pool2d(other[None], 1).flatten()])
    work.expect("pooled by the mean: line, moved", [0.375, 0.375], means)
    work.figure(
        "S15-cells",
        "A convolution is a sheet of simple cells, and pooling a complex cell: it answers wherever the line is, if it "
        "has the right direction.",
        cells,
        pictures,
        simple,
        complex_,
    )


@row(16, "A cascade", shapes, models.mlp, models.convnet)
def s16(work: Work) -> None:
    r"""The output of one layer is the input of the next, and each layer has weights of its own. The row shows
    the shapes on the way, of one picture, through an `mlp` of three hidden layers and, where they change, through a
    `convnet`.
    """
    configs = {
        "mlp": Config(model="mlp", activation="relu", batch_norm=False, width=100, depth=3),
        "convnet": Config(model="convnet"),
    }
    for name, config in configs.items():
        # On the device meta tensors have shapes and no values: nothing is drawn or computed.
        with torch.device("meta"):
            network = models.build(manualnet, config)
            passed = shapes.passages(network, torch.empty(1, 3, 32, 32))
        for p in passed:
            given, result = ("×".join(map(str, shape[1:])) for shape in (p.given, p.result))
            held = f"{p.parameters:,} weights and biases" if p.parameters else ""
            if name == "mlp" or given != result:
                work.step(f"{name}: {p.layer}", f"{given} → {result}", held)
        work.claim(f"{name}: every layer takes what the one before gave", all(p.chained for p in passed))
        total = sum(p.parameters for p in passed)
        if name == "mlp":
            work.expect(
                "weights and biases of its layers",
                [307300, 10100, 10100, 1010],
                [p.parameters for p in passed if p.parameters],
            )
            work.expect("together", 328510, total)
        own = len({id(p) for p in network.parameters()}) == len(list(network.named_parameters(remove_duplicate=False)))
        work.claim(f"{name}: no two layers share a weight", own and total == count(network))
    work.ask(
        "A layer of 100 units takes a picture of 32×32×3 numbers. How many weights and biases has it?",
        307300,
        {
            "every unit has a bias as well": 307200,
            "a picture has three colours: 3072 numbers": 102500,
            "there is a bias for every unit, not for every input": 310272,
        },
        digits=0,
    )


@row(17, "Depth is power, usually", depth, perceptron, minimise)
def s17(work: Work) -> None:
    r"""A layer of two ReLU units can fold a line in half: $`t(x) = 2\,h(x) - 4\,h(x - \tfrac12)`$ goes up and comes
    down. $`d`$ such layers make $`2^d`$ straight pieces, where one hidden layer of $`M`$ units makes $`M + 1`$ at most.

    Usually: a deep network is harder to train. On the way down, each layer of sigmoids multiplies the gradient by a
    slope of ¼ at most, and the first layers get next to none. ReLU's slope of 1 lets it through.
    """
    folds = [1, 2, 3, 5]
    made = [depth.pieces(depth.tent(d)) for d in folds]
    work.step("layers of two units", folds)
    work.expect("straight pieces they make", [2, 4, 8, 32], made)
    size = count(depth.tent(5))
    units = (size - 1) // 3
    work.expect("weights and biases of five folds", 31, size)
    work.step("hidden units of a single layer of that size", units, "3M + 1 weights and biases")
    work.claim(
        "five folds make more pieces than one layer of that size can",
        made[-1] > units + 1,
        f"{made[-1]} against {units + 1}",
    )
    work.figure("S17-folds", "A line folded by each of a few layers of two units: the pieces double.", tents)

    by_layer = {kind: depth.gradient_norms(kind, 10) for kind in depth.KINDS}
    by_depth = {kind: {d: depth.gradient_norms(kind, d)[0] for d in depth.DEPTHS} for kind in depth.KINDS}
    for kind, firsts in by_depth.items():
        work.step(f"{kind}: norm of the first layer's gradient", list(firsts.values()), "1, 2, 4, 8, 16 hidden layers")
    halved = all(by_depth["sigmoid"][b] < by_depth["sigmoid"][a] * 0.5 ** (b - a) for a, b in pairwise(depth.DEPTHS))
    left = {kind: written(norms[16] / norms[1], 2) for kind, norms in by_depth.items()}
    seen = f"15 more layers leave {left['sigmoid']} of it"
    work.claim("under sigmoids it vanishes: each layer more leaves less than half", halved, seen)
    kept = by_depth["ReLU"][16] > 0.01 * by_depth["ReLU"][1]
    work.claim("under ReLU it does not", kept, f"15 more layers leave {left['ReLU']} of it")
    growing_up = all(a < b for a, b in pairwise(by_layer["sigmoid"]))
    work.claim("under sigmoids, every layer gets less gradient than the one above it", growing_up)
    work.figure(
        "S17-vanishing",
        "Gradients before training: by layer in a deep network, and at the first layer by depth. Under sigmoids they "
        "vanish.",
        vanishing,
        by_layer,
        by_depth,
    )

    sweeps = {kind: depth.sweep(kind) for kind in depth.KINDS}
    for kind, found in sweeps.items():
        for t in found:
            work.step(
                f"{kind}: {t.depth} × {t.width} units", list(t.losses), f"losses after training, {t.parameters} numbers"
            )
    sizes = [t.parameters for t in sweeps["ReLU"]]
    work.claim(
        "their sizes differ by less than a tenth", max(sizes) < 1.1 * min(sizes), f"{min(sizes)} to {max(sizes)}"
    )
    shallow, *_, deep = (min(t.losses) for t in sweeps["sigmoid"])
    work.claim("on the spiral, one wide layer of sigmoids learns", shallow < 0.2, f"loss {written(shallow, 3)}")
    seen = f"loss {written(deep, 3)}; ln 2 = {written(math.log(2), 3)} is chance"
    work.claim("eight of the same size learn little in as many steps", deep > 0.35, seen)
    rectified = [t.losses for t in sweeps["ReLU"]]
    wide, narrow = max(rectified[0]), min(rectified[-1])
    seen = f"losses up to {written(wide, 3)}, and {written(narrow, 3)} at least"
    work.claim("under ReLU too, eight layers learn it less well than one, on this problem", wide < 0.05 < narrow, seen)
    work.figure(
        "S17-depth",
        "The spiral, learned by wide and by deep networks of about as many weights and biases. A mark is a start, the "
        "line joins the best. Here depth does not pay, least of all under sigmoids.",
        equal_size,
        sweeps,
    )
    work.ask(
        "Each layer of sigmoids multiplies the gradient by a slope. What share of it do ten of them leave at most?",
        0.25**10,
        {
            "one layer leaves ¼ at most; multiply them": 0.25,
            "the slopes multiply, they are not added": 2.5,
            "σ is ½ at 0, but its slope there is ¼": 0.5**10,
        },
        digits=8,
    )

"""Something to minimise."""

from itertools import pairwise

import torch

from experiments.lessons.figures.choice import bars, descent_to_line
from experiments.lessons.figures.weights import four_pixels, gallery, templates
from experiments.lessons.row import row
from experiments.lessons.templates import accuracy, hidden_weights, template_classifier
from experiments.lessons.work import Work
from experiments.training import cifar10, data, models
from experiments.training.errors import DataError
from experiments.training.train import Trainer
from manualnet import functional as F
from manualnet.optim import SGD

SAMPLE = 3000  # of the training pictures, which show what there is to see


@row(18, "No closed form", F.linear, F.squared_error, SGD, Trainer)
def s18(work: Work) -> None:
    r"""The weights of a deep network cannot be solved for, so they are improved step by step until a loss L(w) is
    small.

    ⚠ The simplified case on the slide, one layer without activation, does have a closed form when the error is squared:
    the normal equations $`X^\top X\, w = X^\top t`$. Gradient descent arrives at the same w.
    """
    x, t = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64), torch.tensor([1.0, 3, 2, 5], dtype=torch.float64)
    inputs = torch.stack([torch.ones_like(x), x], dim=1)
    work.step("X", inputs, "a 1 for the bias, and x")
    work.step("t", t)
    work.step("Xᵀ X", inputs.T @ inputs)
    work.step("Xᵀ t", inputs.T @ t)
    best = torch.linalg.lstsq(inputs, t[:, None]).solution.flatten()
    work.expect("w of the normal equations", [1.1, 1.1], best)

    w = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    optimizer = SGD([w], lr=0.1)
    path = [w.detach()[0].clone()]
    for _ in range(300):
        optimizer.zero_grad()
        F.squared_error(F.linear(inputs, w), t[:, None]).backward()
        optimizer.step()
        path.append(w.detach()[0].clone())
    for steps in (1, 10, 100):
        work.step(f"w after {steps} step{'s' * (steps > 1)}", path[steps])
    work.expect("w of gradient descent, after 300 steps", [1.1, 1.1], w[0])
    distances = [(p - best).norm().item() for p in path]
    work.claim("every step comes nearer", all(b < a for a, b in pairwise(distances[:101])))
    work.slip("w of one layer with squared error", slide="no closed form", right=best)
    work.figure(
        "S18-line",
        "Gradient descent on a line through four points. Left: the line turns into that of the normal equations. "
        "Right: the distance of w from theirs falls by the same factor with each step.",
        descent_to_line,
        x,
        t,
        {n: path[n] for n in (1, 5, 20)},
        best,
        distances[:101],
    )
    work.ask(
        "Which slope has the line that fits the points (0, 1), (1, 3), (2, 2), (3, 5) with the least squared error?",
        1.1,
        {
            "that is the line through 0; this one has a bias": 22 / 14,
            "that is the line through the first and the last point": 4 / 3,
            "that fits x to t; the error to make small is that of t": 5.5 / 8.75,
        },
    )


@row(19, "The smallest example", F.l1_penalty)
def s19(work: Work) -> None:
    r"""w may be 1, 2 or 3, and L(w) = 2, 5, .5: the best is w = 3. With a penalty on the size of w,
    L^(w) = L(w) + ‖w‖ = 3, 7, 3.5: now the best is w = 1.
    """
    weights, losses = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), torch.tensor([2.0, 5.0, 0.5]).double()
    sizes = torch.stack([F.l1_penalty(w) for w in weights])
    work.step("w", weights)
    work.step("L(w)", losses)
    work.step("‖w‖", sizes)
    work.expect("argmin of L", 3, weights[losses.argmin()])
    work.expect("L^(w)", [3, 7, 3.5], losses + sizes)
    work.expect("argmin of L^", 1, weights[(losses + sizes).argmin()])
    work.figure(
        "S19-choice",
        "Left: the loss alone is smallest at w = 3. Right: with the size of w on top the sum is smallest at w = 1.",
        bars,
        weights.tolist(),
        losses.tolist(),
        sizes.tolist(),
    )
    work.ask(
        "L(1) = 2, L(2) = 5, L(3) = .5. Which w makes L(w) + ‖w‖ smallest?",
        1,
        {"that w has the smallest loss, but its size costs 3": 3, "its sum of 7 is the largest": 2},
        digits=0,
    )


@row(20, "CIFAR-10", cifar10, data.load)
def s20(work: Work) -> None:
    r"""Ten labels (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck), 50,000 images to train on and
    10,000 to test on, each 32×32×3. The loader refuses a copy that is not complete, or not in this order.
    """
    order = "airplane automobile bird cat deer dog frog horse ship truck"
    work.expect("labels", order, " ".join(cifar10.CLASSES))
    counts = [len(cifar10.files("binary", split)) * cifar10.BATCH for split in ("train", "test")]
    work.expect("images that the loader insists on, to train and to test", [50_000, 10_000], counts)
    work.expect("numbers of an image, beside its label", 32 * 32 * 3, cifar10.RECORD - 1)
    blank = bytes(cifar10.BATCH * cifar10.RECORD)
    names = [*cifar10.CLASSES[1:], cifar10.CLASSES[0]]
    for what, meta, batch, said in (
        ("whose labels are in another order", "\n".join(names).encode(), blank, "it must list airplane automobile"),
        ("with a file cut short", order.encode(), blank[:-1], "30,730,000 are right"),
        ("with a label of 10", order.encode(), bytes([10]) + blank[1:], "labels go from 0 to 9"),
        ("of 50,000 airplanes", order.encode(), blank, "50,000 images of class airplane in the train files, and 5,000"),
    ):
        answer = _refusal(meta, batch)
        work.claim(f"a copy {what} is refused", said in answer, answer)

    pictures = work.pictures()
    labels = pictures.train_labels, pictures.test_labels
    shape = [*pictures.train_images.shape[2:], pictures.train_images.shape[1]]
    work.expect("an image: height, width, colours", [32, 32, 3], shape)
    found = [len(split) for split in labels]
    work.expect("pictures here, to train and to test", [50_000, 10_000] if pictures.real else [10_000, 2_000], found)
    each = [found[0] // 10] * 10, [found[1] // 10] * 10
    work.expect("of each label", each, [split.bincount(minlength=10).tolist() for split in labels])
    work.step("labels here", " ".join(pictures.classes), f"numbers from {labels[0].min()} to {labels[0].max()}")
    if pictures.real:
        work.expect("their order", order, " ".join(pictures.classes))
    first = [int((labels[0] == k).nonzero()[0]) for k in range(10)]
    work.figure(
        "S20-pictures",
        "A picture of each label, in the labels' order.",
        gallery,
        pictures.train_images[first],
        pictures.classes,
    )


def _refusal(meta: bytes, batch: bytes) -> str:
    """What the loader says of a copy with these labels, whose batches are all alike; nothing if it takes it."""
    try:
        cifar10.verify("binary", lambda name: meta if name == cifar10.META["binary"] else batch, "a copy")
    except DataError as error:
        return str(error)
    return ""


@row(21, "Scores", F.linear, F.cross_entropy, models.linear, template_classifier)
def s21(work: Work) -> None:
    r"""f(x, W) = Wx turns 3072 numbers from 0 to 1 into 10 scores. W is 10×3072: 30,720 weights, and with the biases
    30,730 numbers. A row of W weighs every pixel for one class, so it is a picture itself: the class's *template*.
    """
    pictures = work.pictures()
    images, labels = pictures.train_images[:SAMPLE], pictures.train_labels[:SAMPLE]
    x = images.flatten(1)
    weight, bias = template_classifier(images, labels)
    work.step("x", x[0], "one picture, red plane first")
    work.step("W", weight, f"after 30 steps on {SAMPLE:,} pictures")
    scores = F.linear(x[0], weight, bias)
    work.step("f(x, W) + b", scores, f"a picture of class {labels[0]}, {pictures.classes[labels[0]]}")
    work.expect("numbers that go in", 3072, x.shape[1])
    work.expect("scores that come out", 10, len(scores))
    work.expect("weights", 30_720, weight.numel())
    work.expect("weights and biases", 30_730, weight.numel() + bias.numel())
    work.claim(
        "a score is the sum of pixels times template, and a bias",
        torch.allclose(scores[3], (x[0] * weight[3]).sum() + bias[3], atol=1e-4),
    )
    right = accuracy(F.linear(pictures.test_images.flatten(1), weight, bias), pictures.test_labels)
    work.claim("it is better than guessing on pictures that it has not seen", right > 0.13, f"{right:.1%} are right")
    work.figure(
        "S21-templates",
        "The rows of W as pictures, a template a class: where it is bright, light pixels speak for the class; where it "
        f"is dark, against it; grey does not count. Trained on {pictures.source}.",
        templates,
        weight,
        pictures.classes,
    )
    hidden, loss = hidden_weights(images, labels)
    work.claim("a hidden layer brings the loss below that of guessing, ln 10", loss < 2.2, f"{loss:.2f}")
    work.figure(
        "S21-hidden",
        "The same for the first layer of a network with 20 hidden units: blobs, rings and edges, none of them one "
        "class's template. Speckles are what is left of the random start.",
        templates,
        hidden,
    )
    work.ask(
        "How many numbers does a linear classifier with biases learn, for 32×32 pixels of three colours and ten "
        "classes?",
        30_730,
        {
            "the biases are missing, one a class": 30_720,
            "every pixel has three colours": 10_250,
            "each class has one bias, not each weight": 61_440,
        },
        digits=0,
    )


@row(22, "Four pixels, three classes", F.linear)
def s22(work: Work) -> None:
    r"""A picture of four pixels, and the scores of cat, dog and ship. With the well-known numbers of this example:

    ```math
    \begin{pmatrix} .2 & -.5 & .1 & 2 \\ 1.5 & 1.3 & 2.1 & 0 \\ 0 & .25 & .2 & -.3 \end{pmatrix}
    \begin{pmatrix} 56 \\ 231 \\ 24 \\ 2 \end{pmatrix}
    + \begin{pmatrix} 1.1 \\ 3.2 \\ -1.2 \end{pmatrix}
    = \begin{pmatrix} -96.8 \\ 437.9 \\ 60.75 \end{pmatrix}
    ```

    ⚠ The well-known picture of it prints 61.95 for the ship, which forgets the bias −1.2.
    """
    weight = torch.tensor([[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]], dtype=torch.float64)
    x = torch.tensor([56.0, 231.0, 24.0, 2.0], dtype=torch.float64)
    bias = torch.tensor([1.1, 3.2, -1.2], dtype=torch.float64)
    sums = F.linear(x, weight)
    work.step("W x, cat", sums[0], ".2·56 − .5·231 + .1·24 + 2·2")
    work.step("W x, dog", sums[1], "1.5·56 + 1.3·231 + 2.1·24 + 0·2")
    work.step("W x, ship", sums[2], "0·56 + .25·231 + .2·24 − .3·2")
    scores = F.linear(x, weight, bias)
    work.expect("W x + b", [-96.8, 437.9, 60.75], scores)
    slide = scores.clone()
    slide[2] = sums[2]
    work.expect("the ship without its bias, as the picture prints it", 61.95, slide[2])
    work.slip("the scores of cat, dog and ship", slide=slide, right=scores)
    work.figure(
        "S22-pixels",
        "Four pixels become a column of numbers; a row of W for each class, and a bias, make its score. The dog's is "
        "the highest.",
        four_pixels,
        x,
        weight,
        bias,
        scores,
        ("cat", "dog", "ship"),
    )
    work.ask(
        "The ship's row is 0, .25, .2, −.3, its bias −1.2; the pixels are 56, 231, 24, 2. What is its score?",
        60.75,
        {
            "the bias −1.2 is missing, as in the well-known picture": 61.95,
            "the bias is negative": 63.15,
        },
    )

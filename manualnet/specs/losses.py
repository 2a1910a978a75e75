"""Specs of the losses."""

from itertools import product

import torch
from torch import Generator, Tensor

from manualnet.check.spec import Kink, Sample
from manualnet.specs.draws import losses as draws
from manualnet.specs.spec import Operation, leaf, normal, operation

REDUCTIONS = ("mean", "sum", "none")
Calls = list[tuple[str, tuple, dict]]


def _numbers(values) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _classes(generator: Generator, classes: int, *shape: int) -> Tensor:
    return torch.randint(classes, shape, generator=generator)


def _within(generator: Generator, *shape: int, grad: bool = True) -> Tensor:
    """Numbers between .05 and .95."""
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 0.9 + 0.05).requires_grad_(grad)


def _transposed(t: Tensor) -> Tensor:
    """The same numbers in another order of memory."""
    return t.detach().transpose(0, -1).contiguous().transpose(0, -1).requires_grad_(t.requires_grad)


def _each(calls: Calls, *others: Sample) -> list[Sample]:
    """Every call with every reduction, and other samples."""
    samples = [Sample(a, {**k, "reduction": r}, f"{label}-{r}") for (label, a, k), r in product(calls, REDUCTIONS)]
    return [*samples, *others]


def _empty(*args: Tensor) -> Sample:
    return Sample(args, {"reduction": "sum"}, "empty")


def hinge_samples(g: Generator) -> list[Sample]:
    batch, target = normal(g, 5, 4), _classes(g, 4, 5)
    return _each(
        [
            ("batch", (batch, target), {}),
            ("one", (normal(g, 4), _classes(g, 4)), {}),
            ("margin", (normal(g, 3, 4), _classes(g, 4, 3), 0.3), {}),
            ("transposed", (_transposed(batch), target), {}),
            ("one-class", (normal(g, 3, 1), _classes(g, 1, 3)), {}),
        ],
        _empty(normal(g, 0, 4), _classes(g, 4, 0)),
    )


def class_samples(g: Generator, **extra) -> Calls:
    batch, target = normal(g, 5, 4), torch.tensor([0, 3, 1, 1, 2])
    weight = _within(g, 4, grad=False)
    ignored = torch.tensor([-100, 3, 1, -100, 2])
    return [
        ("batch", (batch, target), extra),
        ("one", (normal(g, 4), torch.tensor(2)), extra),
        ("weight", (batch, target, weight), extra),
        ("ignored", (batch, ignored), extra),
        ("ignored-weight", (batch, ignored, weight), extra),
        ("ignored-class", (batch, target), {"ignore_index": 1, **extra}),
        ("line", (normal(g, 2, 3, 4), _classes(g, 3, 2, 4), weight[:3]), extra),
        ("image", (normal(g, 2, 3, 2, 2), _classes(g, 3, 2, 2, 2)), extra),
        ("volume", (normal(g, 2, 3, 1, 2, 2), _classes(g, 3, 2, 1, 2, 2)), extra),
        ("bytes", (batch, target.byte()), extra),
    ]


def nll_samples(g: Generator) -> list[Sample]:
    return _each(class_samples(g), _empty(normal(g, 0, 4), _classes(g, 4, 0)))


def cross_entropy_samples(g: Generator) -> list[Sample]:
    batch, probabilities = normal(g, 3, 4), torch.softmax(normal(g, 3, 4), 1).detach()
    weight = _within(g, 4, grad=False)
    learned = probabilities.clone().requires_grad_()
    calls: Calls = [
        *class_samples(g),
        *[(f"smoothed-{label}", a, k) for label, a, k in class_samples(g, label_smoothing=0.1)],
        ("smoothed-wholly", (batch, torch.tensor([0, 3, 1])), {"label_smoothing": 1.0}),
        ("probabilities", (batch, probabilities), {}),
        ("learned-target", (batch, learned), {}),
        ("probabilities-one", (normal(g, 4), torch.softmax(normal(g, 4), 0)), {"label_smoothing": 0.2}),
        ("all-learned", (batch, learned, _within(g, 4)), {"label_smoothing": 0.2}),
        ("weight-learned-one", (normal(g, 4), learned[0].detach(), _within(g, 4)), {}),
        ("probabilities-image", (normal(g, 2, 4, 2, 2), _within(g, 2, 4, 2, 2), weight), {}),
        ("transposed", (_transposed(batch), torch.tensor([0, 3, 1])), {}),
        ("transposed-probabilities", (_transposed(batch), _transposed(learned), weight), {}),
        ("transposed-image", (_transposed(normal(g, 2, 3, 2, 2)), _classes(g, 3, 2, 2, 2)), {"label_smoothing": 0.1}),
    ]
    return _each(calls, _empty(normal(g, 0, 4), _classes(g, 4, 0)))


def bce_samples(g: Generator) -> list[Sample]:
    x, t, weight = _within(g, 3, 4), _within(g, 3, 4), _within(g, 3, 4, grad=False)
    calls: Calls = [
        ("constant-target", (x, t.detach()), {}),
        ("learned-target", (x, t), {}),
        ("weight", (x, t, weight), {}),
        ("class-weight", (x, t, weight[0]), {}),
        ("hard-target", (x, _classes(g, 2, 3, 4).double()), {}),
        ("scalar", (_within(g), _within(g)), {}),
        ("transposed", (_transposed(x), t), {}),
    ]
    return _each(calls, _empty(_within(g, 0, 3), _within(g, 0, 3)))


def bce_with_logits_samples(g: Generator) -> list[Sample]:
    x, t, weight = normal(g, 3, 4), _within(g, 3, 4), _within(g, 3, 4, grad=False)
    calls: Calls = [
        ("constant-target", (x, t.detach()), {}),
        ("learned-target", (x, t), {}),
        ("weight", (x, t, weight), {}),
        ("positive-weight", (x, t), {"pos_weight": 3 * weight[0]}),
        ("both-weights", (x, t, weight[:, :1]), {"pos_weight": 3 * weight}),
        ("scalar", (normal(g), _within(g)), {}),
        ("transposed", (_transposed(x), t), {}),
    ]
    return _each(calls, _empty(normal(g, 0, 3), _within(g, 0, 3)))


def pair_samples(g: Generator) -> list[Sample]:
    x, t, weight = normal(g, 3, 4), normal(g, 3, 4), _within(g, 3, 4)
    calls: Calls = [
        ("constant-target", (x, t.detach()), {}),
        ("learned-target", (x, t), {}),
        ("weight", (x, t.detach()), {"weight": weight.detach()}),
        ("learned-weight", (x, t), {"weight": weight}),
        ("scalar", (normal(g), normal(g)), {}),
        ("scalar-weight", (normal(g), normal(g)), {"weight": _within(g)}),
        ("image", (normal(g, 2, 3, 2, 2), normal(g, 2, 3, 2, 2)), {}),
        ("transposed", (_transposed(x), t), {"weight": _transposed(weight)}),
    ]
    return _each(calls, _empty(normal(g, 0, 3), normal(g, 0, 3)))


def squared_error_samples(g: Generator) -> list[Sample]:
    shapes = {"matrix": (3, 4), "scalar": (), "empty": (0, 3), "image": (2, 3, 2, 2)}
    samples = [Sample((normal(g, *s), normal(g, *s)), {}, label) for label, s in shapes.items()]
    x = normal(g, 3, 4)
    return [
        *samples,
        Sample((x, normal(g, 3, 4).detach()), {}, "constant-target"),
        Sample((_transposed(x), x), {}, "t"),
    ]


def triplet_samples(g: Generator) -> list[Sample]:
    def triplet(*shape: int) -> tuple[Tensor, Tensor, Tensor]:
        return normal(g, *shape), normal(g, *shape), normal(g, *shape)

    a, p, n = triplet(6, 3)
    calls: Calls = [
        ("batch", (a, p, n), {}),
        ("one", triplet(3), {"margin": 5.0}),
        ("margin", (a, p, n), {"margin": 0.2}),
        ("anchor-alone", (a, p.detach(), n.detach()), {}),
        ("sets", triplet(2, 3, 2), {}),
        ("transposed", (_transposed(a), p, n), {}),
    ]
    return _each(calls, _empty(*triplet(0, 3)))


def kink(args: tuple, gradients: list, label: str, **kwargs) -> Kink:
    return Kink(Sample(args, kwargs, label), tuple(_numbers(g) for g in gradients))


def hinge_kinks() -> list[Kink]:
    # The second class meets the margin exactly, the third violates it.
    return [kink((leaf([[2.0, 1.0, 1.5]]), torch.tensor([0])), [[[-1.0, 0.0, 1.0]]], "margin-met")]


def triplet_kinks() -> list[Kink]:
    a, p, n = leaf([0.0, 0.0]), leaf([1.0, 0.0]), leaf([0.0, 2.0])
    return [kink((a, p, n), [[0.0, 0.0]] * 3, "margin-met", margin=3.0)]


def bce_kinks() -> list[Kink]:
    # The denominator is held at PyTorch's 1e-12, which its kernel keeps in float32.
    steep = 1 / torch.tensor(1e-12).double().item()
    p, t = leaf([0.0, 1.0, 0.0, 1.0]), _numbers([0.0, 1.0, 1.0, 0.0])
    return [kink((p, t), [[0.0, 0.0, -steep, steep]], "certain", reduction="sum")]


def l1_kinks() -> list[Kink]:
    x, t = leaf([1.0, 2.0]), leaf([1.0, 0.0])
    return [kink((x, t), [[0.0, 1.0], [-0.0, -1.0]], "equal", reduction="sum")]


def score_extremes(**kwargs) -> list[Sample]:
    """Scores up to ±1e4, where the right class is the best, the middle and the worst; then all scores equal."""
    rows = leaf([[1e4, 0.0, -1e4]] * 3 + [[1e4] * 3, [-1e4] * 3])
    return [Sample((rows, torch.tensor([0, 1, 2, 1, 1])), kwargs, "±1e4" + "-smoothed" * bool(kwargs))]


def cross_entropy_extremes() -> list[Sample]:
    return score_extremes() + score_extremes(label_smoothing=0.1)


def pair_extremes() -> list[Sample]:
    return [Sample((leaf([-1e4, 1e4, 1e4, 0.0]), leaf([1e4, -1e4, 1e4, 1e4])), {}, "±1e4")]


def logit_extremes() -> list[Sample]:
    x = [-1e4, -100.0, 0.0, 100.0, 1e4]
    targets = {"0": [0.0] * 5, "1": [1.0] * 5, "mixed": [0.0, 1.0, 0.5, 1.0, 0.0]}
    # The tensors without gradient keep float32 and float64 apart, so the target is differentiable too.
    return [Sample((leaf(x), leaf(t)), {}, f"±1e4-{label}") for label, t in targets.items()]


def bce_extremes() -> list[Sample]:
    return [Sample((leaf([1e-30, 1e-6, 0.5, 1 - 1e-6]), leaf([1.0, 0.0, 0.5, 0.25])), {}, "near-the-ends")]


def triplet_extremes() -> list[Sample]:
    return [Sample((leaf([1e4, 0.0]), leaf([-1e4, 0.0]), leaf([0.0, 1e4])), {}, "±1e4")]


SPECS: list[Operation] = [
    operation(
        "hinge_loss",
        hinge_samples,
        hinge_kinks,
        score_extremes,
        ("S24", "S25", "S26", "S27"),
        "HingeLoss",
        draw=draws.hinge_loss,
    ),
    operation(
        "cross_entropy",
        cross_entropy_samples,
        list,
        cross_entropy_extremes,
        ("S33", "S34"),
        "CrossEntropyLoss",
        draw=draws.cross_entropy,
        inductor=True,
    ),
    operation("nll_loss", nll_samples, list, score_extremes, ("S34",), "NLLLoss", draw=draws.nll_loss),
    operation(
        "binary_cross_entropy",
        bce_samples,
        bce_kinks,
        bce_extremes,
        ("S36",),
        "BCELoss",
        draw=draws.binary_cross_entropy,
    ),
    operation(
        "binary_cross_entropy_with_logits",
        bce_with_logits_samples,
        list,
        logit_extremes,
        ("S36",),
        "BCEWithLogitsLoss",
        draw=draws.binary_cross_entropy_with_logits,
    ),
    operation("mse_loss", pair_samples, list, pair_extremes, ("S36", "S48"), "MSELoss", draw=draws.difference),
    operation(
        "squared_error",
        squared_error_samples,
        list,
        pair_extremes,
        ("S48", "S56"),
        "SquaredError",
        draw=draws.squared_error,
    ),
    operation("l1_loss", pair_samples, l1_kinks, pair_extremes, ("S36",), "L1Loss", draw=draws.difference),
    operation(
        "triplet_loss",
        triplet_samples,
        triplet_kinks,
        triplet_extremes,
        ("S35",),
        "TripletLoss",
        draw=draws.triplet_loss,
    ),
]

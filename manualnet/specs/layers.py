"""Specs of pooling, normalisation and noise."""

import torch

from manualnet.check.spec import Kink, Sample
from manualnet.specs.draws import layers as draws
from manualnet.specs.spec import Operation, away_from, leaf, normal, operation


def _spread(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """An input whose elements differ by more than a finite difference, so that no window has a tie."""
    n = torch.Size(shape).numel()
    return ((torch.randperm(n, generator=generator).double() - n / 2) / 7).reshape(shape).requires_grad_()


def _strided(x: torch.Tensor) -> torch.Tensor:
    return x.detach().transpose(-1, -2).requires_grad_()


def _batch_norm(generator: torch.Generator) -> list[Sample]:
    def call(x, label, *, affine=(True, True), statistics=True, training=True, **kwargs):
        c = x.shape[1]
        mean, var = normal(generator, c).detach(), torch.rand(c, generator=generator, dtype=torch.float64) + 0.5
        weight, bias = (normal(generator, c) if given else None for given in affine)
        buffers = (mean, var) if statistics else (None, None)
        return Sample((x, *buffers, weight, bias, training), kwargs, label)

    def image(*shape):
        return normal(generator, *shape)

    channels_last = image(3, 2, 2, 3).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    return [
        call(image(5, 3), "matrix"),
        call(image(3, 2, 4), "signal"),
        call(image(3, 2, 2, 3), "image", eps=0.1, momentum=0.5),
        call(image(2, 2, 1, 2, 3), "volume"),
        call(channels_last, "channels last"),
        call(_strided(image(3, 2, 3, 2)), "transposed"),
        call(image(4, 3), "no parameters", affine=(False, False)),
        call(image(4, 3), "weight alone", affine=(True, False)),
        call(image(4, 3), "bias alone", affine=(False, True)),
        call(image(4, 3), "no statistics", statistics=False),
        call(image(0, 3), "empty", statistics=False),
        call(image(5, 3), "evaluation matrix", training=False),
        call(image(1, 2, 2, 3), "evaluation image", training=False, eps=0.0),
        call(image(1, 2, 2, 3), "evaluation no parameters", training=False, affine=(False, False)),
        call(image(0, 3), "evaluation empty", training=False),
    ]


def _batch_norm_large(generator: torch.Generator) -> list[Sample]:
    """More elements than one piece of the fast path has, and channels that do not fill whole vectors."""

    def call(label: str, *shape: int) -> Sample:
        x = normal(generator, *shape).detach()
        if len(shape) == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        return Sample(
            (x.requires_grad_(), None, None, *(normal(generator, shape[1]) for _ in range(2)), True), {}, label
        )

    return [call("many pictures", 70, 16, 12, 12), call("24 channels", 12, 24, 6, 6), call("many rows", 500, 33)]


def _max_pool2d_large(generator: torch.Generator) -> list[Sample]:
    x = _spread(generator, 40, 8, 20, 20)
    channels_last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    return [
        Sample((t, size), {}, label) for t, label in ((x, "plain"), (channels_last, "last")) for size in (2, (4, 5))
    ]


def _batch_norm_extremes() -> list[Sample]:
    x = leaf([[-1e4, 0.0], [1e4, 0.0], [0.0, 0.0]])
    return [Sample((x, None, None, leaf([1.0, 2.0]), leaf([0.0, 1e4]), True), {}, "±1e4 and a constant channel")]


def _batch_norm_relu(generator: torch.Generator) -> list[Sample]:
    """Those with a bias: without one a channel of equal numbers lies on the kink."""
    return [s for s in _batch_norm(generator) if s.args[4] is not None]


def _batch_norm_relu_kinks() -> list[Kink]:
    # x normalised is (-r, 0, r), and ReLU lets the last cotangent pass alone.
    r2 = 1 / (2 / 3 + 1e-5)
    expected = [[-1 / 3 + r2 / 3], [-1 / 3], [2 / 3 - r2 / 3]]
    at_mean = Sample((leaf([[-1.0], [0.0], [1.0]]), None, None, None, None, True), {}, "at the mean")
    return [Kink(at_mean, (r2**0.5 * torch.tensor(expected, dtype=torch.float64),))]


def _batch_norm_relu_extremes() -> list[Sample]:
    x = leaf([[-1e4, 0.0], [1e4, 0.0], [1.0, 0.0]])
    return [Sample((x, None, None, leaf([1.0, 2.0]), leaf([0.5, 1e4]), True), {}, "±1e4 and a constant channel")]


def _max_pool2d(generator: torch.Generator) -> list[Sample]:
    x = _spread(generator, 2, 3, 5, 6)
    channels_last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    return [
        Sample((x, 2), {}, "halves"),
        Sample((x, 3, 1), {}, "overlapping"),
        Sample((x, (2, 3), (1, 2), (1, 0), (2, 1)), {}, "pairs"),
        Sample((x, 2, 3), {"ceil_mode": True, "padding": 1}, "ceiling, gaps"),
        Sample((_spread(generator, 2, 4, 5), 2), {}, "one image"),
        Sample((_strided(x), 2), {}, "transposed"),
        Sample((channels_last, 2), {}, "channels last"),
        Sample((normal(generator, 0, 3, 4, 4), 2), {}, "empty"),
    ]


def _max_pool2d_kinks() -> list[Kink]:
    tie = Sample((leaf([[[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]]]), 2, 1), {}, "tie")
    return [Kink(tie, (torch.tensor([[[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]], dtype=torch.float64),))]


def _max_pool2d_extremes() -> list[Sample]:
    return [Sample((leaf([[[-1e4, 1e4], [0.0, 1e-4]]]), 2, 1, 1), {}, "±1e4")]


def _images(generator: torch.Generator) -> dict[str, torch.Tensor]:
    x = normal(generator, 2, 3, 5, 6)
    return {
        "batch": x,
        "one image": normal(generator, 2, 5, 4),
        "transposed": _strided(x),
        "channels last": x.detach().contiguous(memory_format=torch.channels_last).requires_grad_(),
        "empty": normal(generator, 0, 3, 4, 4),
    }


def _avg_pool2d(generator: torch.Generator) -> list[Sample]:
    images = _images(generator)
    x = images["batch"]
    return [
        *(Sample((image, 2), {}, label) for label, image in images.items()),
        Sample((x, 3, 1), {}, "overlapping"),
        Sample((x, (2, 3), (1, 2), (1, 0)), {}, "pairs"),
        Sample((x, 2, 3), {}, "gaps"),
        Sample((x, [3], (), 1), {}, "padding"),
        Sample((x, 3, 2, 1, True), {}, "ceiling"),
        Sample((x, 3, 2, 1, True, False), {}, "ceiling, padding not counted"),
        Sample((x, 3), {"padding": 1, "count_include_pad": False}, "padding not counted"),
        Sample((x, 3), {"divisor_override": -2, "ceil_mode": True}, "divisor"),
    ]


def _adaptive_avg_pool2d(generator: torch.Generator) -> list[Sample]:
    images = _images(generator)
    x = images["batch"]
    sizes = [1, 2, (2, None), (None, None), (7, 4), [3, 6]]
    return [
        *(Sample((image, (3, 2)), {}, label) for label, image in images.items()),
        *(Sample((x, size), {}, f"to {size}") for size in sizes),
    ]


def _average_extremes(*args) -> list[Sample]:
    return [Sample((leaf([[[-1e4, 1e4], [1e4, 1e-4]]]), *args), {}, "±1e4")]


def _stochastic_pool2d(generator: torch.Generator) -> list[Sample]:
    images = {label: (image.detach().abs() + 0.1).requires_grad_() for label, image in _images(generator).items()}
    signs = away_from(0.0, normal(generator, 2, 4, 4))
    negative = (-images["batch"].detach()).requires_grad_()
    samples = []
    for training in (True, False):
        when = "training" if training else "evaluation"
        samples += [Sample((image, 2, None, 0, training), {}, f"{label}, {when}") for label, image in images.items()]
        x = images["batch"]
        samples += [
            Sample((x, 3, 1, 1, training), {}, f"overlapping, {when}"),
            Sample((x, (2, 3), (1, 2), (1, 0), training), {}, f"pairs, {when}"),
            Sample((signs, 2, None, 0, training), {}, f"both signs, {when}"),
            Sample((negative, 2, 2, 1, training), {}, f"negative, {when}"),
        ]
    return samples


def _stochastic_pool2d_kinks() -> list[Kink]:
    zeros, one = leaf([[[0.0, 0.0]]]), leaf([[[0.0, 2.0]]])
    return [
        Kink(Sample((zeros, (1, 2), None, 0, False), {}, "window of zeros"), (torch.zeros_like(zeros),)),
        Kink(Sample((zeros, (1, 2)), {}, "window of zeros in training"), (leaf([[[1.0, 0.0]]]).detach(),)),
        Kink(Sample((one, (1, 2), None, 0, False), {}, "zero among others"), (leaf([[[-1.0, 1.0]]]).detach(),)),
    ]


def _stochastic_pool2d_extremes() -> list[Sample]:
    x = leaf([[[1e4, 1e-4], [0.0, 1e4]]])
    return [Sample((x, 2, 1, 1, training), {}, f"1e4, {training}") for training in (True, False)]


def _dropout(generator: torch.Generator) -> list[Sample]:
    x = normal(generator, 3, 4)
    return [
        Sample((x,), {}, "default"),
        Sample((normal(generator), 0.3), {}, "scalar"),
        Sample((_strided(x), 0.9), {}, "transposed"),
        Sample((x, 1.0), {}, "all"),
    ]


def _stochastic_depth(generator: torch.Generator) -> list[Sample]:
    x = normal(generator, 4, 2, 3)
    return [
        Sample((x, 0.4, "row"), {}, "row"),
        Sample((x, 0.4, "batch"), {}, "batch"),
        Sample((_strided(x), 0.7, "row"), {}, "transposed"),
        Sample((x, 1.0, "row"), {}, "all"),
        Sample((normal(generator, 0, 3), 0.5, "row"), {}, "empty"),
        Sample((normal(generator), 0.5, "batch"), {}, "scalar"),
    ]


def _noise_extremes(*args) -> list[Sample]:
    return [Sample((leaf([-1e4, 0.0, 1e4]), 0.5, *args), {}, "±1e4")]


SPECS: list[Operation] = [
    operation(
        "batch_norm",
        _batch_norm,
        extremes=_batch_norm_extremes,
        rows=("S30",),
        module="BatchNorm2d",
        large=_batch_norm_large,
        draw=draws.batch_norm,
    ),
    operation(
        "batch_norm_gelu",
        _batch_norm,
        extremes=_batch_norm_extremes,
        rows=("S30",),
        module="BatchNormGELU",
        large=_batch_norm_large,
        draw=draws.batch_norm,
    ),
    operation(
        "batch_norm_relu",
        _batch_norm_relu,
        _batch_norm_relu_kinks,
        _batch_norm_relu_extremes,
        rows=("S30",),
        module="BatchNormReLU",
        large=_batch_norm_large,
        draw=draws.batch_norm_relu,
    ),
    operation(
        "max_pool2d",
        _max_pool2d,
        _max_pool2d_kinks,
        _max_pool2d_extremes,
        rows=("S15",),
        module="MaxPool2d",
        large=_max_pool2d_large,
        draw=draws.max_pool2d,
        inductor=True,
    ),
    operation(
        "avg_pool2d",
        _avg_pool2d,
        extremes=lambda: _average_extremes(2, 1, 1),
        rows=("S15",),
        module="AvgPool2d",
        draw=draws.avg_pool2d,
    ),
    operation(
        "adaptive_avg_pool2d",
        _adaptive_avg_pool2d,
        extremes=lambda: _average_extremes((1, 2)),
        rows=("S15",),
        module="AdaptiveAvgPool2d",
        draw=draws.adaptive_avg_pool2d,
    ),
    operation(
        "stochastic_pool2d",
        _stochastic_pool2d,
        _stochastic_pool2d_kinks,
        _stochastic_pool2d_extremes,
        rows=("S30",),
        module="StochasticPool2d",
        random=True,
        draw=draws.stochastic_pool2d,
    ),
    operation(
        "dropout", _dropout, extremes=_noise_extremes, rows=("S30",), module="Dropout", random=True, draw=draws.dropout
    ),
    operation(
        "stochastic_depth",
        _stochastic_depth,
        extremes=lambda: _noise_extremes("row"),
        rows=("S30",),
        module="StochasticDepth",
        random=True,
        draw=draws.stochastic_depth,
    ),
]

"""Specs of the layers that hold weights."""

import torch

from manualnet.check.spec import Kink, Sample
from manualnet.specs.draws import layers as draws
from manualnet.specs.spec import leaf, normal, operation


def _linear(generator: torch.Generator) -> list[Sample]:
    def n(*shape: int) -> torch.Tensor:
        return normal(generator, *shape)

    return [
        Sample((n(5, 3), n(4, 3), n(4)), {}, "batch"),
        Sample((n(3), n(4, 3), n(4)), {}, "one example"),
        Sample((n(2, 5, 3), n(4, 3)), {}, "no bias"),
        Sample((n(2, 0, 3), n(4, 3), n(4)), {}, "empty"),
        Sample((n(5, 3), n(3)), {}, "one unit, no bias"),
        Sample((n(3), n(3)), {}, "dot product"),
        Sample((n(3, 5).detach().t().requires_grad_(), n(3, 4).detach().t().requires_grad_(), n(4)), {}, "transposed"),
        Sample((n(5, 3).detach(), n(4, 3), n(4)), {}, "fixed input"),
        Sample((n(5, 3), n(4, 3).detach()), {}, "fixed weight"),
    ]


def _linear_large(generator: torch.Generator) -> list[Sample]:
    """As many products as the weight gradient is compiled for; outputs and inputs that do not fill whole tiles."""

    def call(batch: int, out: int, inputs: int, label: str) -> Sample:
        shapes = (batch, inputs), (out, inputs), (out,)
        return Sample(tuple(normal(generator, *shape) for shape in shapes), {}, label)

    return [call(514, 13, 336, "few outputs"), call(64, 257, 144, "many outputs")]


def _linear_extremes() -> list[Sample]:
    return [Sample((leaf([[1e4, -1e4]]), leaf([[1e4, 1.0], [-1e4, 1e4]]), leaf([1e4, -1e4])), {}, "±1e4")]


def _conv2d(generator: torch.Generator) -> list[Sample]:
    def n(*shape: int) -> torch.Tensor:
        return normal(generator, *shape)

    def channels_last(t: torch.Tensor) -> torch.Tensor:
        return t.detach().to(memory_format=torch.channels_last).requires_grad_()

    return [
        Sample((n(2, 3, 5, 4), n(4, 3, 3, 2), n(4)), {}, "plain"),
        Sample((n(2, 3, 5, 5), n(2, 3, 3, 3)), {"padding": 1}, "padding"),
        Sample((n(2, 2, 6, 5), n(3, 2, 3, 2), n(3)), {"stride": (2, 3), "padding": (1, 0)}, "stride leaves a rest"),
        Sample((n(1, 2, 7, 6), n(2, 2, 2, 3)), {"dilation": (2, 1), "padding": (0, 2)}, "dilation"),
        Sample((n(1, 2, 8, 8), n(2, 2, 3, 3)), {"stride": 2, "dilation": 2, "padding": 3}, "stride and dilation"),
        Sample((n(2, 4, 4, 4), n(6, 2, 3, 3), n(6)), {"groups": 2, "padding": 1, "stride": 2}, "groups"),
        Sample((n(2, 3, 4, 4), n(6, 1, 2, 2), n(6)), {"groups": 3}, "depthwise"),
        Sample((n(2, 2, 4, 5), n(3, 2, 3, 3)), {"padding": "same"}, "same"),
        Sample((n(2, 2, 4, 5), n(3, 2, 2, 3)), {"padding": "same", "dilation": (3, 1)}, "same, odd total"),
        Sample((n(2, 2, 4, 5), n(3, 2, 2, 3)), {"padding": "valid"}, "valid"),
        Sample((n(2, 4, 5), n(3, 2, 2, 3), n(3)), {}, "one picture"),
        Sample((n(0, 2, 4, 5), n(3, 2, 2, 3), n(3)), {}, "empty batch"),
        Sample((channels_last(n(2, 3, 5, 4)), channels_last(n(4, 3, 3, 3)), n(4)), {"padding": 1}, "channels last"),
        Sample((n(2, 3, 5, 4).detach(), n(4, 3, 3, 2), n(4)), {}, "fixed input"),
        Sample((n(2, 3, 5, 4), n(4, 3, 3, 2).detach()), {}, "fixed weight"),
    ]


def _conv2d_large(generator: torch.Generator) -> list[Sample]:
    """More places than one chunk of the weight gradient has, the last one smaller; channels that suit tiles."""

    def call(batch: int, label: str, channels: int = 3, out: int = 8, **kwargs) -> Sample:
        x = normal(generator, batch, channels, 16, 16).detach().to(memory_format=torch.channels_last).requires_grad_()
        return Sample((x, normal(generator, out, channels, 3, 3), normal(generator, out)), kwargs, label)

    return [
        call(40, "many pictures", padding=1),
        call(63, "many products", channels=8, out=17, padding=1),
        call(4, "by tiles", channels=64, out=64, padding=1),
        call(90, "strided", stride=2),
        call(60, "dilated", dilation=(1, 2)),
    ]


def _conv2d_max_pool2d(generator: torch.Generator) -> list[Sample]:
    """Some of a convolution's, in windows that some of the places are left over from."""
    sizes = {
        "plain": 2,
        "padding": (3, 2),
        "stride leaves a rest": (1, 2),
        "stride and dilation": 2,
        "groups": 2,
        "same": 2,
        "one picture": (2, 1),
        "empty batch": 2,
        "channels last": 2,
        "fixed input": 2,
        "fixed weight": 2,
    }
    calls = {s.label: s for s in _conv2d(generator)}
    return [Sample(calls[at].args, calls[at].kwargs | {"pool_size": size}, at) for at, size in sizes.items()]


def _conv2d_max_pool2d_large(generator: torch.Generator) -> list[Sample]:
    """Of an even and of an odd number of places."""
    even, odd = (s for s in _conv2d_large(generator) if s.label in ("by tiles", "strided"))
    return [even, odd]


def _conv2d_max_pool2d_kinks() -> list[Kink]:
    # All sums of a window are 2: the first takes the cotangent.
    x, weight = leaf([[[[1.0, 1.0, 1.0]]]]), leaf([[[[1.0, 1.0]]]])
    tie = Sample((x, weight), {"pool_size": (1, 2)}, "tie")
    expected = [[[[1.0, 1.0, 0.0]]]], [[[[1.0, 1.0]]]]
    return [Kink(tie, tuple(torch.tensor(e, dtype=torch.float64) for e in expected))]


def _conv2d_max_pool2d_extremes() -> list[Sample]:
    (sample,) = _conv2d_extremes()
    return [Sample(sample.args, {"pool_size": (2, 1)}, sample.label)]


def _conv2d_extremes() -> list[Sample]:
    return [Sample((leaf([[[[1e4, -1e4], [1.0, 1e4]]]]), leaf([[[[-1e4, 1e4]]]]), leaf([1e4])), {}, "±1e4")]


SPECS = [
    operation(
        "linear",
        _linear,
        large=_linear_large,
        extremes=_linear_extremes,
        rows=("S1", "S2", "S41", "S50"),
        module="Linear",
        draw=draws.linear,
        inductor=True,
    ),
    operation(
        "conv2d",
        _conv2d,
        large=_conv2d_large,
        extremes=_conv2d_extremes,
        rows=("S15",),
        module="Conv2d",
        draw=draws.conv2d,
    ),
    operation(
        "conv2d_max_pool2d",
        _conv2d_max_pool2d,
        _conv2d_max_pool2d_kinks,
        _conv2d_max_pool2d_extremes,
        large=_conv2d_max_pool2d_large,
        rows=("S15",),
        module="Conv2dMaxPool2d",
        draw=draws.conv2d_max_pool2d,
    ),
]

"""Specs of the activations."""

from collections.abc import Callable

import torch

from manualnet.check.spec import Kink, Sample
from manualnet.specs.draws import activations as draws
from manualnet.specs.spec import away_from, leaf, normal, operation


def elementwise(kink: float | None = None, **kwargs) -> Callable[[torch.Generator], list[Sample]]:
    """Samples of every shape and stride that an elementwise function should not notice."""

    def samples(generator: torch.Generator) -> list[Sample]:
        shapes = {"matrix": (3, 4), "scalar": (), "empty": (0, 3), "image": (2, 3, 2, 2)}
        tensors = {label: normal(generator, *shape) for label, shape in shapes.items()}
        tensors["transposed"] = normal(generator, 4, 3).detach().t().requires_grad_()
        if kink is not None:
            tensors = {label: away_from(kink, t) for label, t in tensors.items()}
        return [Sample((t,), kwargs, label) for label, t in tensors.items()]

    return samples


def extremes(**kwargs) -> Callable[[], list[Sample]]:
    return lambda: [Sample((leaf([-1e4, -100.0, 0.0, 100.0, 1e4]),), kwargs, "±1e4")]


def kink(at: float, slope: float, **kwargs) -> Kink:
    return Kink(Sample((leaf([at]),), kwargs), (torch.tensor([slope], dtype=torch.float64),))


def _marked(samples: list[Sample], options: dict) -> list[Sample]:
    mark = "".join(f" {name}={value}" for name, value in options.items())
    return [Sample(s.args, s.kwargs, s.label + mark) for s in samples]


def with_options(*options: dict, kink: float | None = None) -> Callable[[torch.Generator], list[Sample]]:
    """Elementwise samples for every set of options."""
    return lambda generator: [s for o in options for s in _marked(elementwise(kink, **o)(generator), o)]


def far_out(*options: dict) -> Callable[[], list[Sample]]:
    """Extremes for every set of options."""
    return lambda: [s for o in options for s in _marked(extremes(**o)(), o)]


def _prelu(generator: torch.Generator) -> list[Sample]:
    def off_zero(*shape: int) -> torch.Tensor:
        return away_from(0.0, normal(generator, *shape))

    shared = [Sample((*s.args, leaf([0.25])), label=s.label) for s in elementwise(0.0)(generator)]
    return [
        *shared,
        Sample((off_zero(3, 4), normal(generator, 4)), label="a slope a channel"),
        Sample((off_zero(2, 3, 2, 2), normal(generator, 3)), label="a slope a channel of an image"),
        Sample((off_zero(2, 3, 2, 2).detach(), normal(generator, 3)), label="input not differentiated"),
        Sample((off_zero(2, 3), normal(generator, 3).detach()), label="slopes fixed"),
        Sample((off_zero(5), normal(generator)), label="a 0-d slope"),
        Sample((off_zero(), normal(generator)), label="both 0-d"),
        Sample((off_zero(0, 3), normal(generator, 3)), label="empty, a slope a channel"),
        Sample((off_zero(4, 2, 3).detach().transpose(0, 2).requires_grad_(), leaf([2.0, -0.5])), label="odd strides"),
    ]


def _prelu_kinks() -> list[Kink]:
    zero = torch.zeros(1, dtype=torch.float64)
    return [Kink(Sample((leaf([at]), leaf([0.3])), label=f"at {at}"), (zero + 0.3, zero)) for at in (0.0, -0.0)]


def _distribution(generator: torch.Generator) -> list[Sample]:
    def sample(shape: tuple[int, ...], label: str, **kwargs) -> Sample:
        return Sample((normal(generator, *shape),), kwargs, label)

    transposed = normal(generator, 4, 3).detach().t().requires_grad_()
    return [
        sample((3, 4), "last axis", dim=-1),
        sample((3, 4), "first axis", dim=0),
        sample((2, 3, 2, 2), "channels", dim=1),
        sample((), "scalar", dim=0),
        sample((0, 3), "no rows", dim=1),
        sample((3, 0), "no classes", dim=1),
        sample((3, 1), "one class", dim=1),
        sample((3, 4), "own type", dim=1, dtype=torch.float64),
        Sample((transposed,), {"dim": 1}, "transposed"),
    ]


def _distribution_extremes() -> list[Sample]:
    return [
        Sample((leaf([-1e4, -100.0, 0.0, 100.0, 1e4]),), {"dim": -1}, "±1e4"),
        Sample((leaf([1000.0, 0.0]),), {"dim": -1}, "the lecture's 1000"),
    ]


def _maxout(generator: torch.Generator) -> list[Sample]:
    def sample(batch: tuple[int, ...], pieces: int, out: int, label: str, bias: bool = True) -> Sample:
        x, weight = normal(generator, *batch, 3), normal(generator, pieces, out, 3)
        return Sample((x, weight, normal(generator, pieces, out) if bias else None), label=label)

    x, weight, bias = sample((4,), 2, 2, "").args
    turned = normal(generator, 3, 5, 2).detach().permute(1, 2, 0).requires_grad_()
    return [
        sample((4,), 2, 5, "two pieces"),
        sample((4,), 3, 2, "three pieces, no bias", bias=False),
        sample((4,), 1, 2, "one piece"),
        sample((), 2, 2, "one vector"),
        sample((2, 3), 2, 2, "two batch axes"),
        sample((0,), 2, 2, "empty batch"),
        sample((4,), 2, 0, "no units"),
        Sample((x.detach(), weight, bias), label="input not differentiated"),
        Sample((x, weight.detach(), bias.detach()), label="parameters fixed"),
        Sample((turned, weight, bias), label="odd strides"),
    ]


def _maxout_ties() -> list[Kink]:
    """Three pieces, of which the second and the third tie at the top."""
    weight = leaf([[[1.0, 0.0]], [[0.0, 2.0]], [[2.0, 1.0]]])
    bias = leaf([[-5.0], [0.0], [0.0]])
    grad_weight = torch.tensor([[[0.0, 0.0]], [[1.0, 2.0]], [[0.0, 0.0]]], dtype=torch.float64)
    grad_bias = torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64)
    grad_x = torch.tensor([0.0, 2.0], dtype=torch.float64)
    return [Kink(Sample((leaf([1.0, 2.0]), weight, bias), label="tie"), (grad_x, grad_weight, grad_bias))]


def _maxout_extremes() -> list[Sample]:
    weight = leaf([[[1.0, -1.0]], [[0.5, 1e4]]])
    return [Sample((leaf([[1e4, 1e4], [-1e4, 1e4], [0.0, -1e4]]), weight, leaf([[1e4], [0.0]])), label="±1e4")]


def many(*options: dict) -> Callable[[torch.Generator], list[Sample]]:
    """Enough elements for compiled code and a second thread, over the range in which slopes bend."""

    def samples(generator: torch.Generator) -> list[Sample]:
        x = (3 * torch.randn(3, 15_001, generator=generator, dtype=torch.float64)).requires_grad_()
        return [s for o in options for s in _marked([Sample((x,), o, "many")], o)]

    return samples


ELU: list[dict] = [{}, {"alpha": 0.5}, {"alpha": -1.5}, {"alpha": 0.0}]
GELU: list[dict] = [{}, {"approximate": "tanh"}]
LEAKY: list[dict] = [{}, *({"negative_slope": slope} for slope in (0.1, 2.0, 0.0, -1.5))]

SPECS = [
    operation(
        "elu",
        with_options(*ELU, kink=0.0),
        lambda: [kink(0.0, 1.0), kink(-0.0, 1.0), kink(0.0, 0.5, alpha=0.5)],
        far_out(*ELU),
        large=many(*ELU),
        rows=("S12",),
        module="ELU",
        draw=draws.elementwise(alpha=draws.slope, inplace=draws.in_place),
    ),
    operation(
        "gelu",
        with_options(*GELU),
        large=many(*GELU),
        extremes=far_out(*GELU),
        module="GELU",
        draw=draws.elementwise(approximate=draws.approximation),
        inductor=True,
    ),
    operation(
        "leaky_relu",
        with_options(*LEAKY, kink=0.0),
        lambda: [kink(0.0, 0.01), kink(-0.0, 0.01), kink(0.0, 0.1, negative_slope=0.1)],
        far_out(*LEAKY),
        large=many(*LEAKY),
        rows=("S9",),
        module="LeakyReLU",
        draw=draws.elementwise(negative_slope=draws.slope, inplace=draws.in_place),
    ),
    operation(
        "log_softmax",
        _distribution,
        extremes=_distribution_extremes,
        rows=("S33",),
        module="LogSoftmax",
        draw=draws.distribution,
    ),
    operation("maxout", _maxout, _maxout_ties, _maxout_extremes, rows=("S11",), module="Maxout", draw=draws.maxout),
    operation(
        "prelu",
        _prelu,
        _prelu_kinks,
        lambda: [Sample((*s.args, leaf([0.25])), label=s.label) for s in extremes()()],
        rows=("S10",),
        module="PReLU",
        draw=draws.prelu,
    ),
    operation(
        "relu",
        elementwise(0.0),
        lambda: [kink(0.0, 0.0), kink(-0.0, 0.0)],
        extremes(),
        large=many({}),
        rows=("S8",),
        module="ReLU",
        draw=draws.elementwise(inplace=draws.in_place),
    ),
    operation(
        "sigmoid",
        elementwise(),
        extremes=extremes(),
        large=many({}),
        rows=("S4",),
        module="Sigmoid",
        draw=draws.elementwise(),
    ),
    operation(
        "softmax",
        _distribution,
        extremes=_distribution_extremes,
        rows=("S5",),
        module="Softmax",
        draw=draws.distribution,
    ),
    operation(
        "step",
        elementwise(0.0),
        lambda: [kink(0.0, 0.0), kink(-0.0, 0.0)],
        extremes(),
        rows=("S15",),
        module="Step",
        flat=True,
        draw=draws.elementwise(),
    ),
    operation(
        "tanh",
        elementwise(),
        extremes=extremes(),
        large=many({}),
        rows=("S7",),
        module="Tanh",
        draw=draws.elementwise(),
    ),
]

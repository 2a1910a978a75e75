"""Every function on inputs from a few KiB to 16 MiB, in the shapes that training gives them."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Generator, Tensor

from experiments.bench.calls import Call
from manualnet.check.spec import Sample
from manualnet.specs import SPECS

KIB, MIB = 2**10, 2**20
SIZES = (4 * KIB, 256 * KIB, 4 * MIB, 16 * MIB)  # of the first tensor
CLASSES = 10


class Inputs:
    """Makes the tensors of a call whose first has ``numel`` elements."""

    def __init__(self, numel: int, dtype: torch.dtype, generator: Generator):
        self.numel, self.dtype, self.generator = numel, dtype, generator
        small = numel < 2**15
        self.width, self.side = (64, 4) if small else (1024, 16)

    def normal(self, *shape: int, grad: bool = True) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.dtype).requires_grad_(grad)

    def units(self) -> Tensor:
        """Hidden units: a row an example."""
        return self.normal(max(1, self.numel // self.width), self.width)

    def pictures(self) -> Tensor:
        """64 channels, laid out channels-last as in training."""
        count = max(1, self.numel // (64 * self.side**2))
        x = self.normal(count, 64, self.side, self.side, grad=False)
        return x.contiguous(memory_format=torch.channels_last).requires_grad_()

    def scores(self) -> tuple[Tensor, Tensor]:
        """Scores of ten classes, and targets."""
        count = max(1, self.numel // CLASSES)
        return self.normal(count, CLASSES), torch.randint(CLASSES, (count,), generator=self.generator)

    def target(self, x: Tensor) -> Tensor:
        return torch.rand(x.shape, generator=self.generator).to(self.dtype)

    def within(self, x: Tensor) -> Tensor:
        """Probabilities in the place of ``x``, far enough from 0 and 1 for every type."""
        return torch.sigmoid(x.detach()).clamp(0.05, 0.95).requires_grad_()


def _pair(i: Inputs) -> Sample:
    return Sample((i.units(), i.units()))


def _against_target(i: Inputs, *, probabilities: bool = False) -> Sample:
    x = i.units()
    return Sample((i.within(x) if probabilities else x, i.target(x)))


def _conv2d(i: Inputs) -> Sample:
    weight = i.normal(64, 64, 3, 3, grad=False).contiguous(memory_format=torch.channels_last).requires_grad_()
    return Sample((i.pictures(), weight), {"padding": 1})


def batch_norm(i: Inputs, x: Tensor, training: bool = True) -> Sample:
    """The call for pictures of 64 channels."""
    statistics = torch.zeros(64, dtype=i.dtype), torch.ones(64, dtype=i.dtype)
    return Sample((x, *statistics, i.normal(64), i.normal(64), training))


def _log_probabilities(i: Inputs) -> Sample:
    scores, target = i.scores()
    return Sample((scores.detach().log_softmax(1).requires_grad_(), target))


_MAKERS: dict[str, Callable[[Inputs], Sample]] = {
    **dict.fromkeys("elu gelu leaky_relu relu sigmoid step tanh".split(), lambda i: Sample((i.units(),))),
    **dict.fromkeys("softmax log_softmax".split(), lambda i: Sample((i.units(), -1))),
    "prelu": lambda i: Sample((i.units(), i.normal(1))),
    "maxout": lambda i: Sample((i.units(), i.normal(2, i.width, i.width), i.normal(2, i.width))),
    "hinge_loss": lambda i: Sample(i.scores()),
    "cross_entropy": lambda i: Sample(i.scores(), {"label_smoothing": 0.1}),
    "nll_loss": _log_probabilities,
    "binary_cross_entropy": lambda i: _against_target(i, probabilities=True),
    **dict.fromkeys(
        "binary_cross_entropy_with_logits mse_loss squared_error l1_loss".split(), lambda i: _against_target(i)
    ),
    "triplet_loss": lambda i: Sample((i.units(), i.units(), i.units())),
    **dict.fromkeys("l1_penalty l2_penalty".split(), lambda i: Sample((i.units(),))),
    "elastic_net": lambda i: Sample((i.units(),), {"beta": 0.5}),
    "linear": lambda i: Sample((i.units(), i.normal(i.width, i.width), i.normal(i.width))),
    **dict.fromkeys("conv2d conv2d_max_pool2d".split(), _conv2d),
    **dict.fromkeys("batch_norm batch_norm_gelu batch_norm_relu".split(), lambda i: batch_norm(i, i.pictures())),
    **dict.fromkeys("max_pool2d avg_pool2d stochastic_pool2d".split(), lambda i: Sample((i.pictures(), 2))),
    "adaptive_avg_pool2d": lambda i: Sample((i.pictures(), 1)),
    "dropout": lambda i: Sample((i.units(), 0.1)),
    "stochastic_depth": lambda i: Sample((i.pictures(), 0.2, "row")),
    **dict.fromkeys("add sub mul".split(), _pair),
    "pad": lambda i: Sample((i.pictures(), (1, 1, 1, 1))),
    "matmul": lambda i: Sample((i.units(), i.normal(i.width, i.width))),
    **dict.fromkeys("sum mean".split(), lambda i: Sample((i.units(), 0))),
}


def calls(name: str, dtype: torch.dtype, sizes: tuple[int, ...] = SIZES) -> Iterator[Call]:
    """A call of each size, then those that its spec has for large inputs; each is made when it is asked for."""
    for nbytes in sizes:
        yield Call.of(name, _MAKERS[name](Inputs(nbytes // dtype.itemsize, dtype, generator())), size=nbytes)
    large = SPECS[name].large
    for sample in large(generator()) if callable(large) else large:
        yield Call.of(name, sample.map(partial(_cast, dtype)), sample.label)


def _cast(dtype: torch.dtype, t: Tensor) -> Tensor:
    return t.detach().to(dtype).requires_grad_(t.requires_grad) if t.is_floating_point() else t


def generator() -> Generator:
    return torch.Generator().manual_seed(0)

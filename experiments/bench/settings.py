"""Functions on other layouts and with other settings than those of :mod:`experiments.bench.functions`, on 4 MiB."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from experiments.bench.calls import Call
from experiments.bench.functions import MIB, Inputs, batch_norm, generator
from manualnet.check.spec import Sample

SIZE = 4 * MIB
Maker = Callable[[Inputs], Sample]


def _planes(i: Inputs, channels: int = 64, side: int = 32) -> Tensor:
    """Pictures as PyTorch lays them out unless it is told otherwise."""
    return i.normal(max(1, i.numel // (channels * side**2)), channels, side, side)


def _pixels(i: Inputs) -> Tensor:
    return _planes(i).detach().contiguous(memory_format=torch.channels_last).requires_grad_()


def _half(i: Inputs) -> Tensor:
    """Pixels with a gap after each."""
    x = i.normal(max(1, i.numel // (64 * 32**2)), 128, 32, 32, grad=False)
    return x.contiguous(memory_format=torch.channels_last)[:, :64].requires_grad_()


def _slice(i: Inputs) -> Tensor:
    """Rows with a gap after each."""
    return i.normal(max(1, i.numel // 1024), 2048)[:, :1024]


def _conv2d(kernel: int, groups: int = 1, lay: Callable[[Inputs], Tensor] = _planes, **settings: int) -> Maker:
    shape = 64, 64 // groups, kernel, kernel
    return lambda i: Sample((lay(i), i.normal(*shape)), {"padding": kernel // 2, "groups": groups, **settings})


def _labels(i: Inputs, scores: Tensor) -> Tensor:
    shape = scores.shape[:1] + scores.shape[2:]
    return torch.randint(scores.shape[1], shape, generator=i.generator)


def _cross_entropy(*shape: int, weighted: bool = False) -> Maker:
    """Scores of as many examples as there is room for, of ``shape`` each."""

    def make(i: Inputs) -> Sample:
        x = i.normal(max(1, i.numel // torch.Size(shape).numel()), *shape)
        return Sample((x, _labels(i, x), torch.rand(shape[0], generator=i.generator).to(i.dtype) if weighted else None))

    return make


def _pool(*settings: int, lay: Callable[[Inputs], Tensor] = _planes) -> Maker:
    return lambda i: Sample((lay(i), *settings))


SETTINGS: tuple[tuple[str, str, Maker], ...] = (
    ("batch_norm", "planes", lambda i: batch_norm(i, _planes(i))),
    ("batch_norm", "planes, evaluation", lambda i: batch_norm(i, _planes(i), training=False)),
    ("batch_norm", "evaluation", lambda i: batch_norm(i, _pixels(i), training=False)),
    ("batch_norm_gelu", "planes", lambda i: batch_norm(i, _planes(i))),
    ("batch_norm_relu", "planes", lambda i: batch_norm(i, _planes(i))),
    ("batch_norm_relu", "planes, evaluation", lambda i: batch_norm(i, _planes(i), training=False)),
    ("batch_norm_relu", "half of the channels", lambda i: batch_norm(i, _half(i))),
    ("conv2d", "planes", _conv2d(3)),
    ("conv2d", "one pixel", _conv2d(1, lay=_pixels)),
    ("conv2d", "one pixel, planes", _conv2d(1)),
    ("conv2d", "4 groups", _conv2d(3, groups=4, lay=_pixels)),
    ("conv2d", "depthwise", _conv2d(3, groups=64, lay=_pixels)),
    ("conv2d", "depthwise, planes", _conv2d(3, groups=64)),
    ("conv2d", "stride 2", _conv2d(3, stride=2, lay=_pixels)),
    ("max_pool2d", "planes", _pool(2)),
    ("max_pool2d", "3, stride 2", _pool(3, 2, 1, lay=_pixels)),
    ("max_pool2d", "3, stride 2, planes", _pool(3, 2, 1)),
    ("max_pool2d", "whole planes", _pool(32)),
    ("max_pool2d", "quarters of planes", _pool(16)),
    ("max_pool2d", "half of the channels", _pool(2, lay=_half)),
    ("avg_pool2d", "planes", _pool(2)),
    ("avg_pool2d", "3, stride 2", _pool(3, 2, 1, lay=_pixels)),
    ("avg_pool2d", "3, stride 2, planes", _pool(3, 2, 1)),
    ("prelu", "a slope a channel", lambda i: Sample((_planes(i), i.normal(64)))),
    ("gelu", "a slice", lambda i: Sample((_slice(i),))),
    ("prelu", "a slice", lambda i: Sample((_slice(i), i.normal(1)))),
    ("softmax", "channels", lambda i: Sample((_planes(i), 1))),
    ("softmax", "rows of pixels", lambda i: Sample((_pixels(i), -1))),
    ("log_softmax", "the first axis", lambda i: Sample((i.units(), 0))),
    ("cross_entropy", "pictures", _cross_entropy(21, 32, 32)),
    ("cross_entropy", "10,000 classes", _cross_entropy(10_000)),
    ("cross_entropy", "weights", _cross_entropy(10, weighted=True)),
    ("cross_entropy", "probabilities", lambda i: Sample((i.units(), torch.softmax(i.units().detach(), 1)))),
    ("cross_entropy", "a slice", lambda i: Sample((x := _slice(i), _labels(i, x)))),
    ("hinge_loss", "a slice", lambda i: Sample((x := _slice(i), _labels(i, x)))),
    ("mse_loss", "none", lambda i: Sample((i.units(), i.units().detach()), {"reduction": "none"})),
    ("mse_loss", "a slice", lambda i: Sample((_slice(i), _slice(i).detach()))),
    ("mul", "a factor a channel", lambda i: Sample((_planes(i), i.normal(64, 1, 1)))),
    ("mul", "a factor a column", lambda i: Sample((i.units(), i.normal(i.width)))),
    ("matmul", "two vectors", lambda i: Sample((i.normal(i.numel), i.normal(i.numel)))),
    ("matmul", "a matrix, a batch", lambda i: Sample((i.normal(64, 64), i.normal(i.numel >> 16, 64, 1024)))),
    ("add", "a row", lambda i: Sample((i.units(), i.normal(i.width)))),
)


# Before a sum, whose cotangent is one number for all.
SUMMED: tuple[tuple[str, str, Maker], ...] = (
    ("relu", "in a sum", lambda i: Sample((i.units(),))),
    ("sigmoid", "in a sum", lambda i: Sample((i.units(),))),
    ("mse_loss", "none, in a sum", lambda i: Sample((i.units(), i.units().detach()), {"reduction": "none"})),
    ("mul", "a factor a column, in a sum", lambda i: Sample((i.units(), i.normal(i.width)))),
    ("conv2d", "one pixel, in a sum", _conv2d(1, lay=_pixels)),
)


def calls(name: str, dtype: torch.dtype) -> Iterator[Call]:
    """A function's calls; each is made when it is asked for."""
    for table, summed in ((SETTINGS, False), (SUMMED, True)):
        for function, label, make in table:
            if function == name:
                sample = make(Inputs(SIZE // dtype.itemsize, dtype, generator()))
                yield Call.of(function, sample, label, size=SIZE, summed=summed)

"""Pictures on the device, normalised, and the batches that an epoch makes of them."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from experiments.training import augment
from experiments.training.config import Config

# The order of the pictures, their mirroring, their shifts and their blanks do not disturb each other.
_ORDER, _SHIFT, _BLANK = 1, 2, 3


class Pictures:
    """Labelled pictures: channels-last, mean 0 and deviation 1 a channel of the training set."""

    def __init__(self, images: Tensor, labels: Tensor, scale: tuple[Tensor, Tensor], device, dtype: torch.dtype):
        self.labels = labels.to(device)
        self.images = normalise(images.to(device), *scale, dtype)

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, indices: Tensor) -> "Pictures":
        """Some of them."""
        chosen = copy.copy(self)
        chosen.images, chosen.labels = self.images[indices], self.labels[indices]
        return chosen

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """In order, once."""
        yield from zip(self.images.split(size), self.labels.split(size), strict=True)

    def order(self, number: int, config: Config, kept: Tensor | None = None) -> tuple[Tensor, ...]:
        """An epoch's batches, as indices: shuffled, of one size; what is left over waits for another epoch's order.

        ``kept`` is true for the pictures to take; by default all.
        """
        order = torch.randperm(len(self), generator=_generator("cpu", config.seed, number, _ORDER))
        order = order.to(self.labels.device)
        if kept is not None:
            order = order[kept[order]]
        size = min(config.batch_size, len(order))
        return order[: len(order) // size * size].split(size)

    def epoch(
        self, number: int, config: Config, order: tuple[Tensor, ...] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of :meth:`order`, each picture changed at random."""
        shift = _generator(self.labels.device, config.seed, number, _SHIFT)
        blank = _generator(self.labels.device, config.seed, number, _BLANK)
        for indices in self.order(number, config) if order is None else order:
            images = self.images[indices]
            if config.flip:
                images = augment.alternating_flip(images, indices, number, config.seed)
            if config.crop:
                images = augment.random_crop(images, config.crop, shift)
            if config.cutout:
                images = augment.cutout(images, config.cutout, blank)
            yield images, self.labels[indices]


def scale_of(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation a channel, of numbers 0…1."""
    counts = [torch.bincount(images[:, c].flatten(), minlength=256).double() for c in range(images.shape[1])]
    levels = torch.arange(256).double() / 255
    means = [(n * levels).sum() / n.sum() for n in counts]
    deviations = [((n * (levels - m) ** 2).sum() / n.sum()).sqrt() for n, m in zip(counts, means, strict=True)]
    return torch.stack(means), torch.stack(deviations)


def normalise(images: Tensor, mean: Tensor, deviation: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 pictures as numbers of ``dtype``, a piece at a time: whole in float32 they would fill 600 MB."""
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    mean = mean.to(images.device, exact).view(1, -1, 1, 1)
    deviation = deviation.to(images.device, exact).view(1, -1, 1, 1)
    out = torch.empty(images.shape, dtype=dtype, device=images.device, memory_format=torch.channels_last)
    for piece, target in zip(images.split(5000), out.split(5000), strict=True):
        target.copy_((piece.to(exact) / 255 - mean) / deviation)
    return out


def _generator(device, *seeds: int) -> torch.Generator:
    # Mixed, so that seed 1 of epoch 2 differs from seed 2 of epoch 1.
    mixed = 0
    for seed in seeds:
        mixed = (mixed * 1_000_003 + seed) % 2**63
    return torch.Generator(device=device).manual_seed(mixed)

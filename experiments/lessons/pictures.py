"""The pictures that rows look at: CIFAR-10 from a folder, else the embedded pictures of the same format."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import Tensor

from experiments.training import data


@dataclass(frozen=True)
class Pictures:
    """Images from 0 to 1, (N, 3, 32, 32), and their labels; ``source`` says in words what they are."""

    source: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    @property
    def real(self) -> bool:
        return self.source.startswith("CIFAR-10")


@cache
def load(data_dir: Path | None = None) -> Pictures:
    """CIFAR-10 from ``data_dir``, all of it; without a folder the embedded pictures. Raises DataError."""
    if data_dir is None:
        dataset = data.load("embedded")
        source = "the embedded pictures, ten shapes drawn by code (--data-dir FOLDER takes CIFAR-10)"
    else:
        dataset = data.load("cifar10", data_dir, say=lambda line: None)
        source = "CIFAR-10"
    return Pictures(
        source,
        dataset.classes,
        dataset.train_images.float() / 255,
        dataset.train_labels,
        dataset.test_images.float() / 255,
        dataset.test_labels,
    )

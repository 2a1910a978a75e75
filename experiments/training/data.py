"""The pictures to train on: CIFAR-10 where it is to be had, else drawn by code; no file decides their order."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from experiments.training import canonical, cifar10, download, embedded
from experiments.training.errors import DataError, Refused, Unreachable

__all__ = ["DATASETS", "DataError", "Dataset", "load", "split"]

DATASETS = ("auto", "cifar10", "embedded")
EXPECTED = (
    f"{cifar10.FOLDERS['python']}, {cifar10.FOLDERS['binary']}, {cifar10.ARCHIVES['python'][0]} "
    f"or {cifar10.ARCHIVES['binary'][0]}"
)


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures in two splits: uint8 images (N, 3, 32, 32), int64 labels (N,)."""

    name: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def load(
    dataset: str = "auto",
    data_dir: Path | None = None,
    data_url: str | None = None,
    cache_dir: Path | None = None,
    say: Callable[[str], None] = print,
) -> Dataset:
    """The data set, verified, each split in canonical order: whatever follows depends on a seed and on no file's order.

    Args:
        dataset: ``cifar10`` insists on CIFAR-10; ``auto`` takes it where it can be had, and else ``embedded``, the
            pictures drawn by code.
        data_dir: folder that holds CIFAR-10 (python or binary version, unpacked or archived), or that folder itself.
        data_url: where to download it if there is no copy; default ``$MANUALNET_DATA_URL``, else the official address.
        cache_dir: where a download is kept; default ``$MANUALNET_CACHE``, ``$XDG_CACHE_HOME/manualnet``,
            ``~/.cache/manualnet``. A copy in ``./data`` is found too.
        say: told in a line where the data comes from.

    Raises:
        DataError: no CIFAR-10 in ``data_dir``; a file of it missing, truncated or altered; a download that is not it;
            for ``cifar10``, no network and no copy.
    """
    if dataset not in DATASETS:
        raise DataError(f"--dataset must be one of {', '.join(DATASETS)}, and is {dataset!r}")
    if dataset == "embedded":
        return _embedded()
    cache = _cache() if cache_dir is None else Path(cache_dir).expanduser()
    source = _given(Path(data_dir).expanduser()) if data_dir is not None else _found(cache)
    if source is not None:
        say(f"CIFAR-10 from {source.path}")
        return _dataset("cifar10", cifar10.CLASSES, *cifar10.read(source))
    try:
        train, test = _downloaded(data_url or os.environ.get("MANUALNET_DATA_URL"), cache, say)
    except Unreachable as error:
        if dataset == "cifar10":
            raise DataError(f"no CIFAR-10 in {cache} or ./data, and no download: {error}; give --data-dir") from error
        say(f"No CIFAR-10 and no network ({error}): training on the embedded data set, ten shapes drawn by code")
        return _embedded()
    return _dataset("cifar10", cifar10.CLASSES, train, test)


def split(dataset: Dataset, validation: int = 5000, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Indices into the training set, to train on and to validate on: the same pictures whatever order they are in.

    Args:
        dataset: what ``load`` gave.
        validation: how many pictures are held out.
        seed: another seed holds out others.
    """
    total = len(dataset.train_labels)
    if not 0 <= validation < total:
        raise DataError(
            f"the validation set must leave a training set: 0 to {total - 1:,} of {total:,}, not {validation:,}"
        )
    rows = canonical.records(dataset.train_labels.numpy(), dataset.train_images.numpy())
    # RandomState, because NumPy promises that its stream never changes.
    permuted = torch.from_numpy(canonical.order(canonical.keys(rows))[np.random.RandomState(seed).permutation(total)])
    return permuted[validation:], permuted[:validation]


def _given(folder: Path) -> cifar10.Source:
    source = cifar10.locate(folder)
    if source is None:
        problem = "holds no CIFAR-10" if folder.exists() else "does not exist"
        raise DataError(f"--data-dir {folder} {problem}: it must be or hold {EXPECTED}")
    return source


def _found(cache: Path) -> cifar10.Source | None:
    return cifar10.locate(cache) or cifar10.locate(Path("data"))


def _cache() -> Path:
    if named := os.environ.get("MANUALNET_CACHE"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "manualnet"


def _downloaded(mirror: str | None, cache: Path, say: Callable[[str], None]) -> cifar10.Records:
    url = mirror or cifar10.URL
    version = "binary" if url.endswith(cifar10.ARCHIVES["binary"][0]) else "python"
    say(f"downloading CIFAR-10 from {url}")
    try:
        archive = download.fetch(url, cifar10.ARCHIVES[version][1])
    except Refused as error:
        if mirror:
            raise
        raise Unreachable(str(error)) from error
    records, members = cifar10.from_archive(archive, version, url)
    folder = cache / cifar10.FOLDERS[version]
    try:
        cifar10.store(folder, members)
    except OSError as error:
        if not folder.exists():  # else another run was faster
            say(f"the download is not kept, {folder} cannot be written: {error.strerror or error}")
    return records


def _embedded() -> Dataset:
    # Two seeds, so that no test picture is a training picture.
    parts = (embedded.draw(embedded.TRAIN, seed=0), embedded.draw(embedded.TEST, seed=1))
    train, test = (canonical.records(labels, images) for images, labels in parts)
    return _dataset("embedded", embedded.CLASSES, train, test)


def _dataset(name: str, classes: tuple[str, ...], train: np.ndarray, test: np.ndarray) -> Dataset:
    return Dataset(name, classes, *_tensors(train), *_tensors(test))


def _tensors(rows: np.ndarray) -> tuple[Tensor, Tensor]:
    rows = rows[canonical.order(canonical.keys(rows))]
    images = np.ascontiguousarray(rows[:, 1:]).reshape(-1, 3, 32, 32)
    return torch.from_numpy(images), torch.from_numpy(rows[:, 0].astype(np.int64))

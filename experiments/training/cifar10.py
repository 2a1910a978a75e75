"""CIFAR-10 from a folder or an archive, in the python or the binary version, and never unverified.

https://www.cs.toronto.edu/~kriz/cifar.html describes both. Either gives the same two arrays of records, one for
training and one for testing: a row holds the label and then 3072 pixels, red plane first. Their order is the file's.
"""

import gzip
import hashlib
import io
import os
import pickle
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from experiments.training import canonical
from experiments.training.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVES = {
    "python": ("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
    "binary": ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
}
FOLDERS = {"python": "cifar-10-batches-py", "binary": "cifar-10-batches-bin"}
META = {"python": "batches.meta", "binary": "batches.meta.txt"}

RECORD = 1 + 3 * 32 * 32
BATCH = 10_000
# The binary version has no official sums for its files: these are the contents' own, whatever their order.
FINGERPRINTS = {"train": "e8b5fd0a4b0aa978364941d2a1808e29", "test": "13f89963e8baec350d551523bf4251da"}

Records = tuple[np.ndarray, np.ndarray]
Contents = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Source:
    """Where a copy lies: a folder with the batch files, or an archive of them."""

    path: Path
    version: str


def files(version: str, split: str) -> list[str]:
    """The names of a split's batch files."""
    names = [f"data_batch_{number}" for number in range(1, 6)] if split == "train" else ["test_batch"]
    return names if version == "python" else [f"{name}.bin" for name in names]


def locate(folder: Path) -> Source | None:
    """A copy in ``folder``: it may be the version's own folder, its archive, or hold either."""
    versions = ("python", "binary")
    for version in versions:
        if folder.is_file() and folder.name == ARCHIVES[version][0]:
            return Source(folder, version)
        names = files(version, "train") + files(version, "test")
        if folder.is_dir() and (folder.name == FOLDERS[version] or any((folder / name).exists() for name in names)):
            return Source(folder, version)
    inside = [Source(folder / FOLDERS[v], v) for v in versions] + [Source(folder / ARCHIVES[v][0], v) for v in versions]
    return next((source for source in inside if source.path.exists()), None)


def read(source: Source) -> Records:
    """The verified records of a copy. Raises DataError naming the file that is missing or not what it should be."""
    if source.path.is_dir():
        return verify(source.version, lambda name: _file(source.path / name), str(source.path))
    try:
        with source.path.open("rb") as stream:
            members = unpack(stream, source.version, str(source.path))
    except OSError as error:
        raise DataError(f"{source.path} cannot be read: {error.strerror or error}") from error
    return verify(source.version, members.get, str(source.path))


def unpack(stream: IO[bytes], version: str, where: str) -> dict[str, bytes]:
    """The files of an archive that the version is made of, by name: nothing is written, no other name is looked at."""
    wanted = {*files(version, "train"), *files(version, "test"), META[version]}
    found = {}
    try:
        with gzip.open(stream) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                content = archive.extractfile(member) if name in wanted and member.isfile() else None
                if content is not None:
                    found[name] = content.read()
            while plain.read(1 << 20):  # the archive's own checksum stands at its very end
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{where} is damaged ({error}): get it again from {URL}") from error
    return found


def store(folder: Path, members: dict[str, bytes]) -> None:
    """Write the files to ``folder``, which appears only when they are complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
    try:
        for name, content in members.items():
            with (unfinished / name).open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def verify(version: str, contents: Contents, where: str) -> Records:
    """Check the files that ``contents`` gives by name, and return the records of both splits."""
    splits = _python(contents, where) if version == "python" else _binary(contents, where)
    return splits["train"], splits["test"]


def _python(contents: Contents, where: str) -> dict[str, np.ndarray]:
    from torchvision.datasets import CIFAR10  # here, because it takes two seconds and only this version needs it

    sums = dict([*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])])
    _checked(META["python"], sums, contents, where)
    splits = {}
    for split in ("train", "test"):
        rows = []
        for name in files("python", split):
            # A pickle can run anything: it is opened only when it is the official file, byte for byte.
            batch = pickle.loads(_checked(name, sums, contents, where), encoding="latin1")
            rows.append(canonical.records(np.asarray(batch["labels"]), batch["data"]))
        splits[split] = np.concatenate(rows)
    return splits


def _checked(name: str, sums: dict[str, str], contents: Contents, where: str) -> bytes:
    content = _present(name, contents, where)
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != sums[name]:
        raise DataError(
            f"{where}/{name} is truncated or altered: its MD5 is {actual}, the official one {sums[name]}; "
            "delete it and get it again"
        )
    return content


def _binary(contents: Contents, where: str) -> dict[str, np.ndarray]:
    meta = contents(META["binary"])
    names = tuple(meta.decode("utf-8", "replace").split()) if meta is not None else CLASSES
    if names != CLASSES:
        raise DataError(
            f"{where}/{META['binary']} is altered: it must list {' '.join(CLASSES)}, and lists {' '.join(names)[:120]}"
        )
    return {split: _binary_split(split, contents, where) for split in ("train", "test")}


def _binary_split(split: str, contents: Contents, where: str) -> np.ndarray:
    names = files("binary", split)
    batches = []
    for name in names:
        content = _present(name, contents, where)
        if len(content) != BATCH * RECORD:
            raise DataError(
                f"{where}/{name} is truncated or altered: it has {len(content):,} bytes, "
                f"and {BATCH * RECORD:,} are right; delete it and get it again"
            )
        batch = np.frombuffer(content, np.uint8).reshape(BATCH, RECORD)
        if batch[:, 0].max() >= len(CLASSES):
            raise DataError(
                f"{where}/{name} is altered: image {batch[:, 0].argmax()} has label {batch[:, 0].max()}, "
                f"and labels go from 0 to {len(CLASSES) - 1}"
            )
        batches.append(batch)
    rows = np.concatenate(batches)
    which = f"{where}/{names[0]}" if len(names) == 1 else f"{where}: one of {names[0]} … {names[-1]}"
    counts = np.bincount(rows[:, 0], minlength=len(CLASSES))
    if (counts != len(rows) // len(CLASSES)).any():
        worst = np.abs(counts - len(rows) // len(CLASSES)).argmax()
        raise DataError(
            f"{which} is altered: {counts[worst]:,} images of class {CLASSES[worst]} in the {split} files, "
            f"and {len(rows) // len(CLASSES):,} are right"
        )
    actual = canonical.fingerprint(canonical.keys(rows))
    if actual != FINGERPRINTS[split]:
        raise DataError(
            f"{which} is altered: the {split} images and labels have fingerprint {actual}, "
            f"and CIFAR-10's is {FINGERPRINTS[split]}; get the files again"
        )
    return rows


def _present(name: str, contents: Contents, where: str) -> bytes:
    content = contents(name)
    if content is None:
        raise DataError(f"{where}/{name} is missing: this copy of CIFAR-10 is incomplete; get it again from {URL}")
    return content


def _file(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def from_archive(data: bytes, version: str, where: str) -> tuple[Records, dict[str, bytes]]:
    """The verified records of a downloaded archive, and its files."""
    members = unpack(io.BytesIO(data), version, where)
    return verify(version, members.get, where), members

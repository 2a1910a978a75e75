"""CIFAR-10's files: both versions read, whatever is not CIFAR-10 named and refused."""

import hashlib
import os
import pickle
import shutil
import time

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from experiments.training import canonical, cifar10
from experiments.training.errors import DataError


def _sorted(rows):
    return rows[canonical.order(canonical.keys(rows))]


def _read(folder):
    return cifar10.read(cifar10.locate(folder))


def _message(folder):
    with pytest.raises(DataError) as caught:
        _read(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("form", ["folder", "inside", "archive", "inside archive"])
def test_each_version_in_each_form_gives_the_same_records(tiny, version, form):
    if "archive" in form:
        path = tiny.archive(version)
        assert not (tiny.folder.parent / "escaped").exists()
    else:
        path = getattr(tiny, version)()
    source = cifar10.locate(path.parent if "inside" in form else path)
    assert source == cifar10.Source(path, version)
    for rows, split in zip(cifar10.read(source), ("train", "test"), strict=True):
        assert np.array_equal(_sorted(rows), _sorted(tiny.rows[split]))


def test_the_batch_files_alone_are_a_copy(tiny):
    renamed = tiny.binary().rename(tiny.folder / "mine")
    assert cifar10.locate(renamed) == cifar10.Source(renamed, "binary")
    assert cifar10.locate(tiny.folder) is None


def test_any_order_is_the_same_set(tiny, tmp_path):
    first, second = _read(tiny.binary()), _read(tiny.binary(tmp_path / "other", seed=3))
    assert not np.array_equal(first[0], second[0])
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(_sorted(a), _sorted(b))


def _edit(path, change):
    rows = np.fromfile(path, np.uint8).reshape(-1, cifar10.RECORD)
    change(rows)
    rows.tofile(path)


def _one_bit(rows):
    rows[7, 1234] ^= 1


def _two_labels(rows):
    other = (rows[:, 0] != rows[0, 0]).nonzero()[0][0]
    rows[[0, other], 0] = rows[[other, 0], 0]


def _two_planes(rows):
    rows[3, 1:1025], rows[3, 1025:2049] = rows[3, 1025:2049].copy(), rows[3, 1:1025].copy()


def _duplicate(rows):
    first, second = (rows[:, 0] == rows[1, 0]).nonzero()[0][:2]
    rows[second] = rows[first]


DAMAGE = {"one bit": _one_bit, "two labels": _two_labels, "two planes": _two_planes, "a picture twice": _duplicate}


@pytest.mark.parametrize("name", ["data_batch_4.bin", "test_batch.bin"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_only_the_fingerprint_can_tell(tiny, damage, name):
    folder = tiny.binary()
    # So that the file has two of a class to make one of.
    for split in tiny.rows:
        order = tiny.rows[split][:, 0].argsort(kind="stable")
        for file, batch in zip(cifar10.files("binary", split), tiny.batches(split, order), strict=True):
            batch.tofile(folder / file)
    _read(folder)
    _edit(folder / name, damage)
    message = _message(folder)
    assert "altered" in message
    assert ("test_batch.bin" if name.startswith("test") else "one of data_batch_1.bin … data_batch_5.bin") in message
    assert str(folder) in message


@pytest.mark.parametrize("size", [0, 20 * 3073 - 1, 19 * 3073, 20 * 3073 + 1])
def test_a_file_of_another_size_is_named(tiny, size):
    folder = tiny.binary()
    with (folder / "data_batch_3.bin").open("r+b") as file:
        file.truncate(size)
    message = _message(folder)
    assert f"{folder}/data_batch_3.bin is truncated or altered" in message
    assert f"{size:,} bytes" in message
    assert "61,460" in message


def test_a_label_out_of_range_is_named(tiny):
    folder = tiny.binary()

    def change(rows):
        rows[5, 0] = 10

    _edit(folder / "data_batch_2.bin", change)
    assert f"{folder}/data_batch_2.bin is altered: image 5 has label 10" in _message(folder)


def test_a_wrong_count_of_a_class_is_named(tiny):
    folder = tiny.binary()

    def change(rows):
        rows[0, 0] = (rows[0, 0] + 1) % 10

    _edit(folder / "test_batch.bin", change)
    message = _message(folder)
    assert f"{folder}/test_batch.bin is altered" in message
    assert "and 2 are right" in message


def test_files_swapped_between_the_splits(tiny):
    folder = tiny.binary()
    one, test = folder / "data_batch_1.bin", folder / "test_batch.bin"
    order = tiny.rows["train"][:, 0].argsort(kind="stable").reshape(10, 10)[:, :2].flatten()
    rest = np.setdiff1d(np.arange(100), order)
    rows = tiny.rows["train"][np.concatenate([order, rest])]  # the first file has two of each class, as the test file
    for name, batch in zip(cifar10.files("binary", "train"), np.split(rows, 5), strict=True):
        batch.tofile(folder / name)
    _read(folder)
    one.rename(folder / "aside")
    test.rename(one)
    (folder / "aside").rename(test)
    assert "altered: the train images" in _message(folder)


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("index", range(6))
def test_a_missing_file_is_named(tiny, version, index):
    folder = getattr(tiny, version)()
    name = (cifar10.files(version, "train") + cifar10.files(version, "test"))[index]
    (folder / name).unlink()
    assert f"{folder}/{name} is missing" in _message(folder)


def test_class_names_in_another_order_are_refused(tiny):
    folder = tiny.binary()
    (folder / "batches.meta.txt").write_text("\n".join(sorted(cifar10.CLASSES, reverse=True)))
    assert f"{folder}/batches.meta.txt is altered" in _message(folder)
    (folder / "batches.meta.txt").unlink()
    _read(folder)


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_5", "test_batch", "batches.meta"])
@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_an_altered_pickle_is_named_with_both_sums(tiny, name, damage):
    folder = tiny.python()
    content = bytearray((folder / name).read_bytes())
    right = hashlib.md5(content).hexdigest()
    content[len(content) // 2] ^= 1
    content = content if damage == "flip" else content[:-1]
    (folder / name).write_bytes(content)
    message = _message(folder)
    assert f"{folder}/{name} is truncated or altered" in message
    assert right in message
    assert hashlib.md5(content).hexdigest() in message


class _Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


def test_a_strange_pickle_is_never_opened(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    folder = tiny.python()
    (folder / "data_batch_1").write_bytes(pickle.dumps(_Trap()))
    _message(folder)
    assert not (tmp_path / "sprung").exists()


def test_swapped_pickles_are_refused(tiny):
    folder = tiny.python()
    (folder / "data_batch_1").rename(folder / "aside")
    (folder / "test_batch").rename(folder / "data_batch_1")
    (folder / "aside").rename(folder / "test_batch")
    assert f"{folder}/data_batch_1 is truncated or altered" in _message(folder)


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.9, -1])
def test_a_truncated_archive_is_named(tiny, version, keep):
    path = tiny.archive(version)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    assert str(path) in _message(path)


def test_an_archive_of_something_else_is_named(tiny):
    path = tiny.archive("python")
    path.write_bytes(b"<html>Please log in</html>" * 100)
    assert f"{path} is damaged" in _message(path)


def test_an_unreadable_file_is_named(tiny):
    folder = tiny.binary()
    (folder / "data_batch_1.bin").unlink()
    (folder / "data_batch_1.bin").mkdir()
    assert f"{folder}/data_batch_1.bin cannot be read" in _message(folder)


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    class Broken(dict):
        def items(self):
            yield "data_batch_1", b"whole"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cifar10.store(tmp_path / "copy", Broken())
    assert list(tmp_path.iterdir()) == []
    cifar10.store(tmp_path / "copy", {"data_batch_1": b"whole"})
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_the_fingerprint_counts_copies_and_ignores_order():
    rows = np.random.RandomState(1).randint(0, 256, (50, 3073)).astype(np.uint8)
    right = canonical.fingerprint(canonical.keys(rows))
    assert canonical.fingerprint(canonical.keys(rows[::-1])) == right
    for others in (rows[:-1], np.concatenate([rows, rows[:1]]), np.concatenate([rows, rows[:1], rows[:1]])):
        assert canonical.fingerprint(canonical.keys(others)) != right


def test_the_real_data_is_read_and_checked_quickly(real_cifar10):
    start = time.perf_counter()
    train, test = _read(real_cifar10)
    assert time.perf_counter() - start < 10  # one second and a half on an idle machine
    assert train.shape == (50_000, 3073)
    assert test.shape == (10_000, 3073)


def test_the_real_data_with_one_bit_changed_is_refused(real_cifar10, tmp_path):
    folder = shutil.copytree(real_cifar10, tmp_path / "copy") / "cifar-10-batches-bin"
    _edit(folder / "test_batch.bin", _one_bit)
    assert f"{folder}/test_batch.bin is altered" in _message(folder)


def test_the_official_sums_are_torchvisions():
    assert CIFAR10.tgz_md5 == cifar10.ARCHIVES["python"][1]
    assert CIFAR10.filename == cifar10.ARCHIVES["python"][0]
    assert CIFAR10.url == cifar10.URL

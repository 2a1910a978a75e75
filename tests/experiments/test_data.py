"""Where the pictures come from, what happens when they cannot come, and that no file's order matters."""

import hashlib
import io
import socket
import time

import pytest
import torch

from experiments.training import cifar10, data, download, embedded
from experiments.training.data import DataError


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No copy in this machine's caches, no network, quick pictures."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("MANUALNET_DATA_URL", "MANUALNET_CACHE", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{_free_port()}/cifar-10-python.tar.gz")
    monkeypatch.setattr(embedded, "TRAIN", 200)
    monkeypatch.setattr(embedded, "TEST", 50)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "xdg" / "manualnet"


def _message(*args, **kwargs):
    with pytest.raises(DataError) as caught:
        data.load(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def _same(a, b):
    return all(
        torch.equal(getattr(a, name), getattr(b, name))
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    )


def test_embedded_is_a_data_set_like_the_other():
    said = []
    dataset = data.load("embedded", say=said.append)
    assert dataset.name == "embedded"
    assert dataset.train_images.shape == (200, 3, 32, 32)
    assert dataset.test_images.shape == (50, 3, 32, 32)
    assert dataset.train_images.dtype == torch.uint8
    assert dataset.train_labels.dtype == torch.int64
    assert dataset.train_labels.bincount().tolist() == [20] * 10
    assert len(dataset.classes) == 10
    assert _same(dataset, data.load("embedded"))
    test = {picture.numpy().tobytes() for picture in dataset.test_images}
    assert not test & {picture.numpy().tobytes() for picture in dataset.train_images}


@pytest.mark.parametrize("name", ["auto", "cifar10"])
def test_data_dir_is_used(tiny, name):
    tiny.binary()
    said = []
    dataset = data.load(name, tiny.folder, say=said.append)
    assert dataset.name == "cifar10"
    assert dataset.classes == cifar10.CLASSES
    assert dataset.train_images.shape == (100, 3, 32, 32)
    assert dataset.train_images.is_contiguous()
    assert dataset.test_labels.shape == (20,)
    assert said == [f"CIFAR-10 from {tiny.folder}/cifar-10-batches-bin"]
    pixels = {(int(row[0]), row[1:].tobytes()) for row in tiny.rows["train"]}
    loaded = zip(dataset.train_labels.tolist(), dataset.train_images, strict=True)
    assert {(label, picture.numpy().tobytes()) for label, picture in loaded} == pixels


def test_version_and_order_change_nothing(tiny, tmp_path):
    tiny.binary(tmp_path / "a")
    tiny.binary(tmp_path / "b", seed=5)
    tiny.python(tmp_path / "c")
    tiny.archive("binary", tmp_path / "d")
    one, *others = (data.load("cifar10", tmp_path / name) for name in "abcd")
    for other in others:
        assert _same(one, other)
        for indices, same in zip(data.split(one, 20, 3), data.split(other, 20, 3), strict=True):
            assert torch.equal(indices, same)


@pytest.mark.parametrize("name", ["auto", "cifar10"])
@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_data_dir_without_cifar10_is_an_error(tmp_path, name, what):
    folder = tmp_path / what
    if what == "empty":
        folder.mkdir()
    message = _message(name, folder)
    assert f"--data-dir {folder}" in message
    assert "cifar-10-batches-py" in message
    assert "cifar-10-batches-bin" in message


def test_a_damaged_data_dir_is_an_error_for_auto_too(tiny):
    with (tiny.binary() / "data_batch_1.bin").open("r+b") as file:
        file.truncate(1000)
    assert "data_batch_1.bin is truncated" in _message("auto", tiny.folder)


def test_a_strange_name_is_an_error():
    assert "auto, cifar10, embedded" in _message("mnist")


@pytest.mark.parametrize("variable", ["MANUALNET_CACHE", "XDG_CACHE_HOME", "HOME", "data", "argument"])
def test_a_copy_is_found_in_each_place(tiny, tmp_path, monkeypatch, variable):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    place = tmp_path / "place"
    below = {"XDG_CACHE_HOME": "manualnet", "HOME": ".cache/manualnet"}.get(variable, "")
    if variable == "data":
        place = tmp_path / "here" / "data"
    elif variable != "argument":
        monkeypatch.setenv(variable, str(place))
    tiny.binary(place / below)
    assert data.load("cifar10", cache_dir=place if variable == "argument" else None).name == "cifar10"


def test_a_damaged_cache_is_an_error(tiny, cache):
    (tiny.binary(cache) / "test_batch.bin").unlink()
    assert f"{cache}/cifar-10-batches-bin/test_batch.bin is missing" in _message("auto")


def test_without_a_network_auto_says_so_and_draws(cache):
    said = []
    start = time.perf_counter()
    dataset = data.load(say=said.append)
    assert time.perf_counter() - start < 10
    assert dataset.name == "embedded"
    assert len(said) == 2
    assert said[0].startswith("downloading CIFAR-10 from http://127.0.0.1:")
    assert "no network" in said[1]
    assert "embedded data set" in said[1]
    assert "\n" not in said[1]
    assert not cache.exists()


def test_without_a_network_cifar10_insists():
    message = _message("cifar10", say=lambda line: None)
    assert "cannot be reached" in message
    assert "--data-dir" in message


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("scheme", ["http", "file", "variable"])
def test_a_mirror_fills_the_cache(tiny, cache, monkeypatch, version, scheme, mirror, serve):
    path = tiny.archive(version)
    with mirror(serve(path.read_bytes())) as (base, asked):
        url = path.as_uri() if scheme == "file" else f"{base}/pub/{path.name}"
        if scheme == "variable":
            monkeypatch.setenv("MANUALNET_DATA_URL", url)
        dataset = data.load("auto", data_url=None if scheme == "variable" else url)
        again = data.load("auto")
        assert len(asked) == (0 if scheme == "file" else 1)
    assert dataset.name == "cifar10"
    assert _same(dataset, again)
    assert [entry.name for entry in cache.iterdir()] == [cifar10.FOLDERS[version]]


def test_a_wrong_sum_is_an_error_with_both_sums(tiny, cache, mirror, serve):
    path = tiny.archive("python")
    right = cifar10.ARCHIVES["python"][1]
    content = path.read_bytes()[:-1] + b"x"
    for name in ("auto", "cifar10"):
        with mirror(serve(content)) as (base, _):
            message = _message(name, data_url=f"{base}/{path.name}")
        assert right in message
        assert hashlib.md5(content).hexdigest() in message
    assert not cache.exists()


def test_a_download_that_breaks_off_leaves_nothing(tiny, cache, mirror, serve):
    content = tiny.archive("python").read_bytes()
    with mirror(serve(content[: len(content) // 2], len(content))) as (base, _):
        url = f"{base}/cifar-10-python.tar.gz"
        message = _message("cifar10", data_url=url)
        assert f"broke off after {len(content) // 2:,} of {len(content):,} bytes" in message
        assert data.load("auto", data_url=url).name == "embedded"
    assert not cache.exists()


def test_a_mirror_that_has_no_such_file_is_the_users_mistake(tmp_path, mirror):
    with mirror(lambda handler: handler.send_error(404)) as (base, _):
        assert "404" in _message("auto", data_url=f"{base}/cifar-10.tgz")
    assert "cannot be read" in _message("auto", data_url=(tmp_path / "none.tar.gz").as_uri())
    assert "an address that begins with" in _message("auto", data_url="cifar-10-python.tar.gz")
    assert "an address that begins with" in _message("auto", data_url="ftp://host/cifar-10-python.tar.gz")


def test_an_official_server_in_trouble_is_not(monkeypatch, mirror):
    with mirror(lambda handler: handler.send_error(503)) as (base, _):
        monkeypatch.setattr(cifar10, "URL", f"{base}/cifar-10-python.tar.gz")
        assert data.load("auto").name == "embedded"
        assert "503" in _message("cifar10")


def test_an_interrupted_download_leaves_nothing(tiny, cache, monkeypatch):
    content = tiny.archive("python").read_bytes()

    class Interrupted(io.BytesIO):
        headers = {"Content-Length": str(len(content))}  # noqa: RUF012

        def read(self, size=-1):
            if self.tell():
                raise KeyboardInterrupt
            return super().read(1000)

    monkeypatch.setattr(download, "_contact", lambda url: Interrupted(content))
    with pytest.raises(KeyboardInterrupt):
        data.load("cifar10")
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(tiny, tmp_path):
    path = tiny.archive("python")
    (tmp_path / "file").write_text("in the way")
    said = []
    dataset = data.load("cifar10", data_url=path.as_uri(), cache_dir=tmp_path / "file" / "cache", say=said.append)
    assert dataset.name == "cifar10"
    assert "not kept" in said[-1]


def test_split_is_a_partition_that_a_seed_decides():
    dataset = data.load("embedded")
    training, validation = data.split(dataset, 50)
    assert len(training) == 150
    assert len(validation) == 50
    assert torch.equal(torch.cat([training, validation]).sort().values, torch.arange(200))
    assert training.dtype == validation.dtype == torch.int64
    for indices, same in zip(data.split(dataset, 50), (training, validation), strict=True):
        assert torch.equal(indices, same)
    assert not torch.equal(data.split(dataset, 50, seed=1)[1].sort().values, validation.sort().values)
    assert len(data.split(dataset, 0)[1]) == 0


def test_split_holds_out_the_same_pictures_in_any_order():
    one = data.load("embedded")
    shuffle = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    other = data.Dataset(
        one.name, one.classes, one.train_images[shuffle], one.train_labels[shuffle], one.test_images, one.test_labels
    )
    for a, b in zip(data.split(one, 50), data.split(other, 50), strict=True):
        assert torch.equal(one.train_images[a], other.train_images[b])
        assert torch.equal(one.train_labels[a], other.train_labels[b])


@pytest.mark.parametrize("validation", [-1, 200, 5000])
def test_a_validation_set_must_leave_a_training_set(validation):
    with pytest.raises(DataError, match="must leave a training set"):
        data.split(data.load("embedded"), validation)


def test_the_real_split_is_the_one_of_every_other_machine(real_cifar10):
    dataset = data.load("cifar10", real_cifar10)
    assert dataset.train_labels.bincount().tolist() == [5000] * 10
    assert dataset.test_labels.bincount().tolist() == [1000] * 10
    training, validation = data.split(dataset)
    assert (len(training), len(validation)) == (45_000, 5_000)
    held_out = dataset.train_images[validation].numpy().tobytes()
    assert hashlib.sha256(held_out).hexdigest() == "fb89ab98826382e90bf5313af70ee9fe97ec640a4e8f805ef256e88b6bf770ee"

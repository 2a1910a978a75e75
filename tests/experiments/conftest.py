"""CIFAR-10 for the tests: the real one where it is at hand, and a tiny one of the same form."""

import hashlib
import http.server
import io
import pickle
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from experiments.training import canonical, cifar10

UNPACK = Path(__file__).parents[3] / "shared" / "cifar-10" / "unpack"


@pytest.fixture(scope="session")
def real_cifar10(tmp_path_factory):
    """A folder that holds the real CIFAR-10, the binary version, its pictures in another order than the original."""
    if not UNPACK.exists():
        pytest.skip(f"needs the real CIFAR-10: {UNPACK} is absent")
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, UNPACK, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


class Tiny:
    """120 records, 20 a file, in the two versions; `cifar10` is made to expect them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder = folder
        self.monkeypatch = monkeypatch
        rng = np.random.RandomState(0)
        self.rows = {}
        for split, count in (("train", 100), ("test", 20)):
            labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
            rows = canonical.records(labels, rng.randint(0, 256, (count, 3072)).astype(np.uint8))
            twin = (labels == labels[0]).nonzero()[0][-1]
            rows[twin] = rows[0]  # the order must not depend on which of two equal pictures comes first
            self.rows[split] = rows
        monkeypatch.setattr(cifar10, "BATCH", 20)
        prints = {split: canonical.fingerprint(canonical.keys(rows)) for split, rows in self.rows.items()}
        monkeypatch.setattr(cifar10, "FINGERPRINTS", prints)

    def batches(self, split, order=None):
        rows = self.rows[split] if order is None else self.rows[split][order]
        return np.split(rows, len(rows) // 20)

    def binary(self, folder=None, seed=None):
        """Write the binary version, in an order of its own if there is a seed."""
        folder = (folder or self.folder) / "cifar-10-batches-bin"
        folder.mkdir(parents=True)
        for split, rows in self.rows.items():
            order = None if seed is None else np.random.RandomState(seed).permutation(len(rows))
            for name, batch in zip(cifar10.files("binary", split), self.batches(split, order), strict=True):
                batch.tofile(folder / name)
        (folder / "batches.meta.txt").write_text("\n".join(cifar10.CLASSES) + "\n\n")
        return folder

    def python(self, folder=None):
        """Write the python version, and make its sums the official ones."""
        folder = (folder or self.folder) / "cifar-10-batches-py"
        folder.mkdir(parents=True)
        for split in self.rows:
            for name, batch in zip(cifar10.files("python", split), self.batches(split), strict=True):
                content = {"data": batch[:, 1:], "labels": batch[:, 0].tolist()}
                (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(cifar10.CLASSES)}, protocol=2))
        sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        for split, attribute in (("train", "train_list"), ("test", "test_list")):
            names = cifar10.files("python", split)
            self.monkeypatch.setattr(CIFAR10, attribute, [[name, sums[name]] for name in names])
        self.monkeypatch.setitem(CIFAR10.meta, "md5", sums["batches.meta"])
        return folder

    def archive(self, version, folder=None):
        """Write a version's archive, and make its sum the official one."""
        where = folder or self.folder
        where.mkdir(parents=True, exist_ok=True)
        scratch = where / "scratch"
        content = self.python(scratch) if version == "python" else self.binary(scratch)
        name, _ = cifar10.ARCHIVES[version]
        with tarfile.open(where / name, "w:gz") as archive:
            archive.add(content, arcname=content.name)
            member = tarfile.TarInfo("../../escaped/readme.html")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"hello"))
        for file in content.iterdir():
            file.unlink()
        content.rmdir()
        scratch.rmdir()
        md5 = hashlib.md5((where / name).read_bytes()).hexdigest()
        self.monkeypatch.setitem(cifar10.ARCHIVES, version, (name, md5))
        return where / name


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    return Tiny(tmp_path / "tiny", monkeypatch)


@contextmanager
def _mirror(answer):
    """Serve with ``answer(handler)``; gives the base address and the list of paths that were asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer(self)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def _serve(content, length=None):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@pytest.fixture
def mirror():
    return _mirror


@pytest.fixture
def serve():
    return _serve

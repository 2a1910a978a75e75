"""Downloading: servers that are silent, slow or endless are given up within seconds."""

import socket
import threading
import time

import pytest

from experiments.training import download
from experiments.training.errors import DataError, Refused


def test_a_download_without_end_is_stopped(monkeypatch, mirror, serve):
    monkeypatch.setattr(download, "LARGEST", 1 << 20)
    with mirror(serve(bytes(3 << 20))) as (base, _), pytest.raises(DataError, match="more than 1 MiB"):
        download.fetch(f"{base}/x.tar.gz", "")


def test_a_name_that_is_never_resolved_is_given_up(monkeypatch):
    waiting = threading.Event()

    def getaddrinfo(*args, **kwargs):
        waiting.wait()
        raise socket.gaierror("late")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(download, "CONTACT", 0.3)
    start = time.perf_counter()
    with pytest.raises(DataError, match="does not answer"):
        download.fetch("http://mirror.invalid/cifar-10-python.tar.gz", "")
    assert time.perf_counter() - start < 3
    waiting.set()


def test_a_server_that_accepts_and_is_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(download, "STALL", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.perf_counter()
        with pytest.raises(DataError, match="timed out"):
            download.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/x.tar.gz", "")
        assert time.perf_counter() - start < 3


def test_a_server_that_stalls_halfway_is_given_up(monkeypatch, mirror, serve):
    monkeypatch.setattr(download, "STALL", 0.3)
    done = threading.Event()

    def answer(handler):
        serve(bytes(100), 1000)(handler)
        handler.wfile.flush()
        done.wait(5)

    with mirror(answer) as (base, _):
        start = time.perf_counter()
        with pytest.raises(DataError, match="broke off"):
            download.fetch(f"{base}/x.tar.gz", "")
        assert time.perf_counter() - start < 3
        done.set()


def test_the_deadlines_are_seconds():
    assert download.CONTACT < 10
    assert download.STALL <= download.CONTACT


@pytest.mark.parametrize(
    "url", ["http://[", "http://", "http://localhost:99999/x", "http://local host/x", "ftp://x/y", ""]
)
def test_what_is_no_address_is_refused_and_not_taken_for_a_missing_network(url):
    with pytest.raises(Refused, match="--data-url must be an address that begins with"):
        download.fetch(url, "")

"""Compiled code switched off or built anew, for one test."""

import pytest
import torch

from manualnet.native import build

_CACHES = build.available, build.load, build._compiler, build._version, build._temporary


def _forget():
    for function in _CACHES:
        function.cache_clear()


@pytest.fixture
def anew(monkeypatch, tmp_path):
    """Nothing is known yet: compiler, folders and libraries are looked for again, in an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MANUALNET_NATIVE", raising=False)
    _forget()
    yield tmp_path
    monkeypatch.undo()
    _forget()


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)

"""Compiled code switched off or built anew, for one test."""

import pytest

from manualnet.native import build, elementwise

_CACHES = build.available, build.load, build._compiler, build._version, build._temporary, elementwise._kernel


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

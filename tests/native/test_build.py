"""Compiled code is built once and found again; where that cannot be, the formula runs and nobody hears of it."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from manualnet import functional as F
from manualnet.native import build

THREE = "int three(void) { return 3; }"
GCC = shutil.which("gcc")
pytestmark = pytest.mark.skipif(not build.available(), reason="no C compiler here")


def _script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def _works_by_the_formula(capfd):
    """Every kind of call gives its result, without a word."""
    assert build.load(text=THREE) is None
    x = torch.randn(2, 8, 16, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(64, 8, 3, 3, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = F.max_pool2d(F.gelu(F.batch_norm(x, None, None, training=True)), 2)
        y = F.conv2d(F.batch_norm_gelu(y, None, None, training=True), weight, padding=1)
        grads = torch.autograd.grad(y.sum(), (x, weight))
    assert all(g.isfinite().all() for g in grads)
    assert capfd.readouterr() == ("", "")


def test_a_library_is_built_once_and_found_again(anew, monkeypatch):
    assert build.load(text=THREE).three() == 3
    (library,) = anew.rglob("*.so")
    made = library.stat().st_mtime_ns
    assert list(library.parent.iterdir()) == [library]
    build.load.cache_clear()
    monkeypatch.setattr(build.subprocess, "run", None)  # whoever compiles now fails
    assert build.load(text=THREE).three() == 3
    assert library.stat().st_mtime_ns == made


@pytest.mark.parametrize("change", ["the source", "the compiler", "the machine"])
def test_what_a_library_depends_on_names_it(anew, monkeypatch, change):
    build.load(text=THREE)
    build.load.cache_clear()
    if change == "the compiler":
        monkeypatch.setattr(build, "_version", lambda compiler: "another")
    if change == "the machine":
        monkeypatch.setattr(build, "_machine", lambda: "another")
    build.load(text=THREE.replace("3", "4") if change == "the source" else THREE)
    assert len(list(anew.rglob("*.so"))) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "a bit", "text", "a folder"])
def test_a_damaged_library_is_built_anew(anew, damage):
    folder = anew / "manualnet"
    build.load(text=THREE)
    (library,) = folder.iterdir()
    content = library.read_bytes()
    # Another file in its place: what is loaded already must not change.
    library.unlink()
    if damage == "a folder":
        library.mkdir()
    else:
        bit = content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]
        library.write_bytes({"empty": b"", "cut": content[:9000], "a bit": bit, "text": b"\x7fELF"}[damage])
    build.load.cache_clear()
    assert build.load(text=THREE).three() == 3
    if damage != "a folder":
        assert build._whole(library)


def test_without_a_compiler(anew, monkeypatch, capfd):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(anew))
    assert not build.available()
    _works_by_the_formula(capfd)


def test_forbidden(anew, monkeypatch, capfd):
    monkeypatch.setenv("MANUALNET_NATIVE", "0")
    assert not build.available()
    _works_by_the_formula(capfd)
    assert list(anew.iterdir()) == []


@pytest.mark.parametrize(
    "body", ["echo no >&2; exit 1", "exit 0", "kill -9 $$", "printf '\\377\\376'; exit 3"], ids=str
)
def test_a_compiler_that_fails(anew, monkeypatch, capfd, body):
    monkeypatch.setenv("CC", _script(anew / "compiler", body))
    _works_by_the_formula(capfd)
    assert not list(anew.rglob("*.so"))


def test_a_compiler_that_cannot_be_started(anew, monkeypatch, capfd):
    (anew / "compiler").write_text("no program")
    (anew / "compiler").chmod(0o755)
    monkeypatch.setenv("CC", str(anew / "compiler"))
    _works_by_the_formula(capfd)


@pytest.mark.parametrize("named", ["nowhere", 'gcc "', "", " "])
def test_a_name_that_is_no_compilers_is_passed_over(anew, monkeypatch, named):
    monkeypatch.setenv("CC", named)
    assert build.load(text=THREE).three() == 3


CLANG = shutil.which("clang")


@pytest.mark.skipif(CLANG is None or GCC is None, reason="no clang and gcc here")
def test_a_compiler_whose_threads_are_others_is_passed_over(anew, monkeypatch, capfd):
    monkeypatch.setenv("CC", "clang")
    assert build.load(text="int other(void) { return __clang__ + 0; }") is None
    assert build.load(text=THREE).three() == 3
    build._compiler.cache_clear()
    build.available.cache_clear()
    build.load.cache_clear()
    os.symlink(CLANG, anew / "cc")
    monkeypatch.setenv("PATH", str(anew))
    assert not build.available()
    _works_by_the_formula(capfd)


@pytest.mark.parametrize(("made", "passed_over"), [("call __kmpc_fork_call", True), ("call GOMP_parallel", False)])
def test_whose_threads_are_others_is_seen_in_what_it_makes(anew, monkeypatch, made, passed_over):
    script = _script(anew / "compiler", f"echo '{made}'")
    monkeypatch.setenv("CC", script)
    assert (build._compiler() != (script,)) == passed_over


@pytest.mark.skipif(GCC is None, reason="no gcc here")
def test_the_compilers_name_may_bring_arguments(anew, monkeypatch):
    wrapper = _script(anew / "my cache", f'echo "$1" > "{anew}/asked"; shift; exec "$@"')
    monkeypatch.setenv("CC", f"'{wrapper}' first {GCC} -DTHREE=5")
    assert build.load(text="int three(void) { return THREE; }").three() == 5
    assert (anew / "asked").read_text() == "first\n"


@pytest.mark.parametrize("blocked", ["cache", "home", "home unknown"])
def test_a_folder_that_cannot_be_written_to_gives_way_to_a_temporary_one(anew, monkeypatch, blocked):
    (anew / "file").write_text("")
    if blocked == "cache":
        monkeypatch.setenv("XDG_CACHE_HOME", str(anew / "file"))
    else:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(anew / "file"))
    if blocked == "home unknown":
        monkeypatch.setattr(Path, "home", _no_home)
    monkeypatch.setattr(build, "tempfile", _tempfile(partial(tempfile.mkdtemp, dir=anew)))
    assert build.load(text=THREE).three() == 3
    (library,) = anew.rglob("*.so")
    assert library.parent.name.startswith("manualnet-")
    assert stat.S_IMODE(library.parent.stat().st_mode) == 0o700


def _tempfile(mkdtemp):
    return SimpleNamespace(mkdtemp=mkdtemp, TemporaryDirectory=tempfile.TemporaryDirectory)


def _no_home():
    raise RuntimeError("Could not determine home directory.")


def test_without_any_folder(anew, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setattr(build, "tempfile", _tempfile(partial(tempfile.mkdtemp, dir="/proc/nowhere")))
    _works_by_the_formula(capfd)


def test_no_temporary_folder_is_made_while_the_cache_serves(anew, monkeypatch):
    monkeypatch.setattr(build, "tempfile", _tempfile(None))
    assert build.load(text=THREE).three() == 3


_CHILD = """
import importlib.util, sys, types
sys.modules["torch"] = types.SimpleNamespace(__file__=sys.argv[1])
spec = importlib.util.spec_from_file_location("build", sys.argv[2])
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)
print(build.load(text=sys.argv[3]).three())
"""


def _child(**environment):
    command = [sys.executable, "-W", "error", "-c", _CHILD, torch.__file__, build.__file__, THREE]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(GCC is None, reason="no gcc here")
def test_processes_that_build_at_once_do_not_disturb_each_other(anew):
    """Each waits with its compilation until all have begun."""
    wrapper = _script(
        anew / "gcc",
        f'case "$*" in *--version*|*-S*) ;; *) touch "{anew}/begun-$$"; '
        f'for i in $(seq 100); do [ $(ls "{anew}" | grep -c begun) -ge 3 ] && break; sleep 0.05; done;; esac\n'
        f'exec {GCC} "$@"',
    )
    children = [_child(CC=wrapper) for _ in range(3)]
    assert [child.communicate(timeout=60) for child in children] == [("3\n", "")] * 3
    assert len(list(anew.glob("begun-*"))) == 3
    (library,) = (anew / "manualnet").iterdir()
    assert build._whole(library)


def test_a_temporary_folder_is_gone_when_the_process_ends(anew):
    (anew / "file").write_text("")
    child = _child(XDG_CACHE_HOME=str(anew / "file"), TMPDIR=str(anew))
    assert child.communicate(timeout=60) == ("3\n", "")
    assert [path.name for path in anew.iterdir()] == ["file"]


def test_a_read_only_package_is_no_hindrance(anew, tmp_path_factory):
    """Nothing is written beside the sources."""
    folder = Path(build.__file__).parent
    before = sorted(p.name for p in folder.iterdir() if p.name != "__pycache__")
    assert build.load("numbers.h", "share.h", "max_pool2d.c").max_pool2d_float
    assert sorted(p.name for p in folder.iterdir() if p.name != "__pycache__") == before


def test_the_sources_are_packaged():
    wheel = pytest.importorskip("hatchling.builders.wheel")
    root = Path(build.__file__).parents[2]
    packed = {f.distribution_path for f in wheel.WheelBuilder(str(root)).recurse_included_files()}
    sources = {
        str(p.relative_to(root)) for p in Path(build.__file__).parent.iterdir() if p.suffix in (".c", ".h", ".py")
    }
    assert any(name.endswith(".c") for name in sources)
    assert sources <= packed

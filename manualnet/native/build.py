"""C files compiled once for this machine, kept in the user's cache and loaded beside PyTorch."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch

_FLAGS = (
    "-std=gnu11 -O3 -march=native -mprefer-vector-width=512 -fno-math-errno -fno-trapping-math "
    "-fsingle-precision-constant -fopenmp -fPIC -shared"
)


@cache
def available() -> bool:
    """Whether compiled fast paths may run: on Linux, with a C compiler, unless MANUALNET_NATIVE=0 forbids it."""
    return os.environ.get("MANUALNET_NATIVE", "1") != "0" and _openmp() is not None and _compiler() is not None


@cache
def load(*files: str, text: str = "") -> ctypes.CDLL | None:
    """These C files of this folder and ``text``, as one library; None where that fails: callers go another way."""
    compiler, openmp = _compiler(), _openmp()
    if not available() or compiler is None or openmp is None:
        return None
    source = "".join((Path(__file__).parent / name).read_text() for name in files) + text
    try:
        return ctypes.CDLL(str(_compiled(source, compiler, openmp)))
    except (OSError, subprocess.SubprocessError):
        return None


def _compiled(source: str, compiler: str, openmp: Path) -> Path:
    name = hashlib.sha256("\0".join([source, _FLAGS, _version(compiler), str(openmp), _machine()]).encode()).hexdigest()
    for folder in _folders():
        target = folder / f"{name[:32]}.so"
        if target.exists():
            return target
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=folder) as work:
                made = str(Path(work) / target.name)
                # PyTorch's own OpenMP goes first, so that there is one pool of threads and not two.
                command = [compiler, "-x", "c", "-", *_FLAGS.split(), "-o", made]
                command += ["-x", "none", "-Wl,--as-needed", str(openmp), "-lm"]
                subprocess.run(command, input=source, text=True, check=True, capture_output=True, timeout=120)
                os.replace(made, target)
            return target
        except PermissionError:
            continue
    raise OSError("no folder to keep compiled code in")


def _folders() -> list[Path]:
    cached = os.environ.get("XDG_CACHE_HOME")
    try:
        home = Path(cached) if cached else Path.home() / ".cache"
    except RuntimeError:  # no home
        return [_temporary()]
    return [home / "manualnet", _temporary()]


@cache
def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="manualnet-"))


@cache
def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, [os.environ.get("CC", ""), "cc", "gcc", "clang"])), None)


@cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], text=True, capture_output=True, timeout=60).stdout


@cache
def _openmp() -> Path | None:
    """The OpenMP library that PyTorch brought along."""
    if not sys.platform.startswith("linux"):
        return None
    package = Path(torch.__file__).parent
    return next(
        (f for folder in ("lib", "../torch.libs") for f in sorted((package / folder).glob("libgomp*.so*"))), None
    )


def _machine() -> str:
    """What -march=native depends on: a cache may be shared by several machines."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() + platform.machine()
    return "".join(sorted({line for line in text.splitlines() if line.startswith(("flags", "Features", "model name"))}))

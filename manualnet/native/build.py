"""C files compiled once for this machine, kept in the user's cache and loaded beside PyTorch."""

import atexit
import ctypes
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import torch

_FLAGS = "-std=gnu11 -O3 -march=native -fno-math-errno -fno-trapping-math -fsingle-precision-constant -fopenmp -fPIC"
# Small arrays are zeroed by vectors: the instruction for it takes longer to begin than a short row's sum.
_ZEROES = "-mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign"
_WIDE = f"-mprefer-vector-width=512 {_ZEROES}" if platform.machine() in ("x86_64", "AMD64") else ""


@cache
def available() -> bool:
    """Whether compiled fast paths may run: on Linux, with gcc or its like, unless MANUALNET_NATIVE=0 forbids."""
    return os.environ.get("MANUALNET_NATIVE", "1") != "0" and _openmp() is not None and _compiler() is not None


@cache
def load(*names: str, head: str = "", text: str = "") -> ctypes.CDLL | None:
    """``head``, these C files and ``text`` as one library; None where that fails: callers go another way."""
    compiler, openmp = _compiler(), _openmp()
    if not available() or compiler is None or openmp is None:
        return None
    try:
        source = head + "".join(files(__package__).joinpath(name).read_text("utf-8") for name in names) + text
        command = [*compiler, "-x", "c", "-", *_FLAGS.split(), *_WIDE.split(), "-shared"]
        # PyTorch's own OpenMP goes first, so that there is one pool of threads and not two.
        command += ["-x", "none", "-Wl,--as-needed", str(openmp), "-lm"]
        name = sha256("\0".join([source, *command, _version(compiler), _machine()]).encode()).hexdigest()[:32]
        for folder in _folders():
            # Nothing can be kept there, or nothing there may be run.
            with suppress(OSError, subprocess.CalledProcessError):
                return ctypes.CDLL(str(_compiled(source, command, folder / f"{name}.so")))
    except (OSError, subprocess.SubprocessError):
        return None
    return None


def _compiled(source: str, command: list[str], target: Path) -> Path:
    if not _whole(target):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Put there in one step, so that whoever builds the same at the same time finds all of it or nothing.
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            made = Path(work) / target.name
            run = [*command, "-o", str(made)]
            subprocess.run(run, input=source.encode(), check=True, capture_output=True, timeout=120)
            content = made.read_bytes()
            made.write_bytes(content + sha256(content).digest())
            os.replace(made, target)
    return target


def _whole(library: Path) -> bool:
    """Whether it ends in the digest of what comes before: to load a damaged one may end the process."""
    try:
        content = library.read_bytes()
    except OSError:
        return False
    return sha256(content[:-32]).digest() == content[-32:]


def _folders() -> Iterator[Path]:
    kept = os.environ.get("XDG_CACHE_HOME")
    with suppress(RuntimeError):  # no home
        yield (Path(kept) if kept else Path.home() / ".cache") / "manualnet"
    yield _temporary()


@cache
def _temporary() -> Path:
    folder = tempfile.mkdtemp(prefix="manualnet-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def _compiler() -> tuple[str, ...] | None:
    """The command with its arguments: CC may be ``ccache gcc``."""
    for command in (os.environ.get("CC", ""), "cc", "gcc"):
        try:
            words = shlex.split(command)
        except ValueError:  # an open quotation mark
            continue
        if words and shutil.which(words[0]) and not _of_another_kind(tuple(words)):
            return tuple(words)
    return None


_THREADS = b"void f(void);\nvoid g(void) {\n#pragma omp parallel\n    f();\n}\n"


def _of_another_kind(compiler: tuple[str, ...]) -> bool:
    """Whether its threads are LLVM's, as clang's are: PyTorch's OpenMP cannot tell which of them it is asked by."""
    command = [*compiler, "-x", "c", "-", "-fopenmp", "-S", "-o", "-"]
    try:
        return b"__kmpc_" in subprocess.run(command, input=_THREADS, capture_output=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return False


@cache
def _version(compiler: tuple[str, ...]) -> str:
    run = subprocess.run([*compiler, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return run.stdout.decode(errors="replace")


@cache
def _openmp() -> Path | None:
    """The OpenMP library that PyTorch brought along."""
    if not sys.platform.startswith("linux"):
        return None
    package = Path(torch.__file__).parent
    return next(
        (f for folder in ("lib", "../torch.libs") for f in sorted((package / folder).glob("libgomp*.so*"))), None
    )


@cache
def _machine() -> str:
    """What -march=native depends on: a cache may be shared by several machines."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.processor() + platform.machine()
    return "".join(sorted({line for line in text.splitlines() if line.startswith(("flags", "Features", "model name"))}))

"""Runs a student's file: its mistakes are told in one line, and nothing that it does outlasts the run."""

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

import torch

from experiments.lessons.exercises.exercise import Exercise, functions
from manualnet.check.property import short


class Broken(Exception):
    """The file cannot be loaded, or has no Function to grade: one line that says why."""


@contextmanager
def undisturbed(folder: Path) -> Iterator[io.StringIO]:
    """Holds back what is printed, finds files that lie beside, and puts back what a file may set for all."""
    dtype, path, grad = torch.get_default_dtype(), list(sys.path), torch.is_grad_enabled()
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sys.path.append(str(folder))
            yield printed
    finally:
        sys.path[:] = path
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)


@contextmanager
def function(exercise: Exercise, path: Path) -> Iterator[type[torch.autograd.Function]]:
    """The student's Function: the one of the right name, or the only one.

    Raises:
        Broken: see there.
    """
    module = ModuleType(f"exercise_{exercise.name}")
    module.__file__ = str(path)
    # Compiled here, as an import might take yesterday's bytecode for today's file, and leaves some behind.
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except SyntaxError as error:
        line = f", line {error.lineno}, `{(error.text or '').strip()}`" if error.lineno else ""
        raise Broken(f"{path.name}{line}: {type(error).__name__}: {error.msg}") from error
    except (ValueError, OSError) as error:
        raise Broken(f"{path.name}: {short(error)}") from error
    sys.modules[module.__name__] = module
    try:
        try:
            exec(code, module.__dict__)
        except (Exception, SystemExit) as error:
            raise Broken(located(error, path) or f"{path.name}: {short(error)}") from error
        yield _chosen(exercise, module)
    finally:
        sys.modules.pop(module.__name__, None)


def _chosen(exercise: Exercise, module: ModuleType) -> type[torch.autograd.Function]:
    found = {f.__name__: f for f in functions(module)}
    wanted = exercise.answer.__name__
    if wanted in found:
        return found[wanted]
    if len(found) == 1:
        return next(iter(found.values()))
    there = f"has {', '.join(found)}" if found else "has none"
    raise Broken(f"{exercise.file} should have one torch.autograd.Function, called {wanted}, but {there}")


def is_left_out(error: Exception, path: Path) -> bool:
    """Whether the student's file itself says that this is still to be written."""
    if not isinstance(error, NotImplementedError):
        return False
    last = extract_tb(error.__traceback__)[-1]
    return last.filename == str(path) and (last.line or "").startswith("raise")


def asked_autograd(error: BaseException, path: Path) -> bool:
    """Whether what raised was PyTorch's autograd, called by the student's file."""
    files = [Path(f.filename) for f in extract_tb(error.__traceback__)]
    if path not in files:
        return False
    called = files[len(files) - files[::-1].index(path) :]
    torch_itself = Path(str(torch.__file__)).parent
    return any(torch_itself / part in file.parents for file in called for part in ("autograd", "_functorch"))


def located(error: BaseException, path: Path) -> str:
    """An error in one line with the line of the student's file that raised it; empty if none did."""
    frames = [f for f in extract_tb(error.__traceback__) if f.filename == str(path)]
    if not frames:
        return ""
    return f"{path.name}, line {frames[-1].lineno}, `{frames[-1].line}`: {short(error)}"

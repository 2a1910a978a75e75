"""Proves a student's answers with ``manualnet.check``: what is right passes, of what is wrong the property is named."""

import builtins
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from experiments.lessons.exercises.contents import EXERCISES
from experiments.lessons.exercises.exercise import Exercise
from experiments.lessons.exercises.student import Broken, asked_autograd, function, is_left_out, located, undisturbed
from experiments.training.errors import UsageError
from manualnet.check import Sample, check
from manualnet.check.calls import call, cotangents, floats, fresh, gradients
from manualnet.check.command.mistake import meant
from manualnet.check.nodes import around_rules, as_tuple, input_forms
from manualnet.check.property import short

Status = Literal["passed", "not written yet", "fails"]


@dataclass(frozen=True)
class Grade:
    """What was found of one exercise.

    ``property`` names what does not hold, as ``manualnet.check`` does ("gradient", "kinks", …; "file" if the file
    cannot be loaded), ``seen`` says with numbers what was seen, ``hint`` what to think about; all are empty if it
    passed. ``prints`` counts the lines that the file printed, which are held back.
    """

    name: str
    status: Status
    property: str = ""
    seen: str = ""
    hint: str = ""
    prints: int = 0

    @builtins.property
    def passed(self) -> bool:
        return self.status == "passed"


class _Failure(Exception):
    """A property does not hold: its name, what was seen, and the input that is blamed."""

    def __init__(self, property: str, seen: str, of: str = "", hint: str = "") -> None:
        super().__init__(seen)
        self.property, self.seen, self.of, self.hint = property, seen, of, hint or property


class _NotWritten(Exception):
    pass


def grade(folder: Path | str, only: Iterable[str] = (), each: Callable[[Grade], object] | None = None) -> list[Grade]:
    """Grade the exercises in a folder, in their order.

    Args:
        folder: where ``write`` wrote them.
        only: names of exercises ("relu", also as "relu.py"); all of them if there is none.
        each: is given every grade when it is there.

    Returns:
        A :class:`Grade` an exercise. Whatever a student's file does wrong is in there, and raises nothing.

    Raises:
        UsageError: there is no such folder, none of the files is in it, or an exercise is unknown.

    >>> import tempfile
    >>> from experiments.lessons.exercises import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write(folder)
    ...     file = Path(folder, "tanh.py")
    ...     _ = file.write_text(file.read_text().replace("raise NotImplementedError", "return grad_out * y #"))
    ...     for found in grade(folder, ["sigmoid", "tanh"]):
    ...         print(found.name, found.status, found.property)
    sigmoid not written yet
    tanh fails gradient
    """
    folder = Path(folder)
    names = _names(folder, [only] if isinstance(only, str) else only)
    grades = []
    for name in names:
        grades.append(_grade(EXERCISES[name], folder.resolve() / EXERCISES[name].file))
        if each:
            each(grades[-1])
    return grades


def _names(folder: Path, only: Iterable[str]) -> list[str]:
    if not folder.is_dir():
        there = "is no folder" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {there}; --exercise {folder} writes the exercises")
    asked = [name.removesuffix(".py") for name in only]
    for name in asked:
        if name not in EXERCISES:
            hint = meant(name, EXERCISES) or f"; there are {', '.join(EXERCISES)}"
            raise UsageError(f"there is no exercise {name!r}{hint}")
    if not any((folder / e.file).is_file() for e in EXERCISES.values()):
        raise UsageError(f"{folder} holds none of the exercises; --exercise {folder} writes them")
    return [name for name in EXERCISES if not asked or name in asked]


def _grade(exercise: Exercise, path: Path) -> Grade:
    if not path.is_file():
        seen = f"there is no {path.name}; --exercise writes it anew"
        return Grade(exercise.name, "not written yet", seen=seen)
    with undisturbed(path.parent) as printed:
        found = _found(exercise, path)
    return replace(found, prints=len(printed.getvalue().splitlines()))


def _found(exercise: Exercise, path: Path) -> Grade:
    def fails(property: str, seen: str, hint: str) -> Grade:
        return Grade(exercise.name, "fails", property, seen, hint)

    try:
        with function(exercise, path) as answer:
            for sample in exercise.samples():
                _try(exercise, answer, sample, path)
            _prove(exercise, answer)
    except _NotWritten:
        return Grade(exercise.name, "not written yet")
    except Broken as error:
        return fails("file", str(error), f"Mend the file until `python {exercise.file}` runs through.")
    except _Failure as failure:
        seen, hint = _in_words(failure.seen, exercise), exercise.hint(failure.hint, failure.of)
        return fails(failure.property, seen, hint)
    except SystemExit:
        return fails("gradient", "the file ends the program, as exit() does.", exercise.hint("raises"))
    return Grade(exercise.name, "passed")


def _try(exercise: Exercise, answer: type[torch.autograd.Function], sample: Sample, path: Path) -> None:
    """Run once, for what can be said better with the student's line in hand than by what follows from it."""
    taken, of = fresh(sample), f", for {sample.label}."
    try:
        values = floats(call(answer.apply, taken))
    except Exception as error:
        raise _Failure("value", (located(error, path) or short(error)) + of) from error
    for create_graph in (False, True):
        refused: list[_Failure] = []

        def look(node, _: tuple, run: Callable, refused: list = refused):
            returned = run()
            refused.extend(_form(exercise, node, as_tuple(returned), of))
            return returned

        try:
            with around_rules(look):
                gradients(values, taken.inputs, cotangents(values), create_graph)
        except Exception as error:
            if is_left_out(error, path) or answer.backward is torch.autograd.Function.backward:
                raise _NotWritten from error
            if line := located(error, path):
                name, hint = ("hand written",) * 2 if asked_autograd(error, path) else ("gradient", "raises")
                raise _Failure(name, line + of, hint=hint) from error
            if not refused:
                raise _Failure("gradient form", short(error) + of) from error
        if refused:
            raise refused[0]


def _form(exercise: Exercise, node, returned: tuple, of: str) -> Iterator[_Failure]:
    """What is wrong with what backward returns, before a number is looked at."""
    forms = input_forms(node)
    written = any(g is not None for g in returned)
    # The engine drops what is None beyond the arguments.
    if written and (len(returned) < len(forms) or any(g is not None for g in returned[len(forms) :])):
        counts = f"backward returns {len(returned)} of them, and forward takes {', '.join(exercise.arguments)}"
        yield _Failure("gradient form", f"one gradient an argument is due, but {counts}{of}")
    for name, g, form in zip(exercise.arguments, returned, forms, strict=False):
        if form is None:
            continue
        if not isinstance(g, Tensor):
            kind = "None" if g is None else f"a {type(g).__name__}"
            yield _Failure("gradient form", f"backward returns {kind} for {name} of shape {form.shape}{of}", name)
        elif g.shape != form.shape:
            shapes = f"a gradient of shape {tuple(g.shape)} for {name} of shape {form.shape}"
            yield _Failure("gradient form", f"backward returns {shapes}{of}", name)
        elif g.dtype != form.dtype:
            types = f"a gradient of {g.dtype} for {name} of {form.dtype}"
            yield _Failure("gradient form", f"backward returns {types}{of}", hint="type")


def _prove(exercise: Exercise, answer: type[torch.autograd.Function]) -> None:
    report = check(
        answer,
        samples=exercise.samples(),
        reference=exercise.reference,
        hand_written=True,
        only=exercise.properties,
        name=exercise.name,
    )
    failures = {r.property: r for r in report.failures}
    for name in exercise.properties:
        if name in failures:
            wrong = failures[name].wrong
            blamed = re.search(r"gradient of input (\d+)", wrong)
            raise _Failure(name, wrong, exercise.arguments[int(blamed[1])] if blamed else "")


def _in_words(seen: str, exercise: Exercise) -> str:
    """With the names of arguments and samples in the place of the numbers that the check knows them by."""

    def name(match: re.Match) -> str:
        return exercise.arguments[int(match[1])]

    seen = re.sub(r"\b(?:tensor argument|input|argument|tensor) (\d+)", name, seen)
    seen = re.sub(r"""(?:at the numbers as they came )?of sample (["'])(.*?)\1""", r"for \2", seen)
    return seen.replace("the reference's", "PyTorch's")

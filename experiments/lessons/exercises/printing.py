"""What the terminal shows of the exercises, and the exit status."""

import sys
from collections.abc import Iterable
from pathlib import Path
from shutil import get_terminal_size
from textwrap import TextWrapper

from experiments.lessons.exercises.contents import EXERCISES
from experiments.lessons.exercises.grading import Grade, grade
from experiments.lessons.exercises.handout import write
from experiments.training.errors import UsageError

MARKS = {"passed": "✓", "fails": "✗", "not written yet": "–"}
NAME = max(map(len, EXERCISES))
LABEL = " " * 6


def print_exercises(folder: Path | str) -> int:
    """Write the exercises, and say what was written and what was kept; the exit status, 2 for a mistake."""
    try:
        written = write(folder)
    except UsageError as error:
        return _mistake(error)
    names = ["README.md", *(e.file for e in EXERCISES.values())]
    kept = [name for name in names if name not in {path.name for path in written}]
    if written:
        print(_wrapped(f"Wrote to {folder}: ", ", ".join(path.name for path in written)))
    if kept:
        print(_wrapped("Kept as they are: ", ", ".join(kept)))
    print("Start with its README.md, then sigmoid.py; what you have written is graded by")
    print(f"    python -m experiments.lecture --grade {folder}")
    return 0


def print_grades(folder: Path | str, only: Iterable[str] = ()) -> int:
    """Grade the exercises and print what is found as it is found.

    Returns:
        The exit status: 0 if all passed, 1 if one does not, 2 for a mistake such as a missing folder.
    """
    try:
        grades = grade(folder, only, each=lambda found: print(told(found), flush=True))
    except UsageError as error:
        return _mistake(error)
    counts = {status: sum(g.status == status for g in grades) for status in MARKS}
    print(f"\n{counts['passed']} of {len(grades)} passed", end="")
    for status in ("fails", "not written yet"):
        if counts[status]:
            print(f", {counts[status]} {'fail' if status == 'fails' and counts[status] > 1 else status}", end="")
    print(".")
    return int(counts["passed"] < len(grades))


def told(found: Grade) -> str:
    """A grade in lines that fit the terminal."""
    number = list(EXERCISES).index(found.name) + 1
    property = f": {found.property}" if found.property else ""
    lines = [f"{MARKS[found.status]} {number:2} {found.name:{NAME}}  {found.status}{property}"]
    if found.seen:
        lines.append(_wrapped(f"{LABEL}seen  ", found.seen))
    if found.hint:
        lines.append(_wrapped(f"{LABEL}hint  ", found.hint))
    if found.prints:
        many = f"{found.prints} lines that it prints are" if found.prints > 1 else "a line that it prints is"
        lines.append(_wrapped(f"{LABEL}note  ", f"{many} held back here, where backward runs again and again."))
    return "\n".join(lines)


def _wrapped(start: str, text: str) -> str:
    width = min(get_terminal_size().columns, 100)
    indent = " " * len(start) if len(start) < 20 else "    "
    return TextWrapper(width, start, indent, break_long_words=False, break_on_hyphens=False).fill(text)


def _mistake(error: UsageError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2

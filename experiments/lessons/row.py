"""A row of the lecture, and the parts that hold the rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from experiments.lessons.work import Work


@dataclass(frozen=True)
class Row:
    """One row: its text is the docstring of ``function``, in Markdown with LaTeX; ``code`` is what it is about."""

    number: int
    title: str
    function: Callable[[Work], None]
    code: tuple[Any, ...]

    @property
    def name(self) -> str:
        return f"S{self.number}"

    @property
    def text(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")

    def run(self, data_dir: Path | None = None) -> Work:
        work = Work(data_dir)
        self.function(work)
        return work


def row(number: int, title: str, *code: Any) -> Callable[[Callable[[Work], None]], Row]:
    """Make a function that works a row out into that ``Row``."""
    return lambda function: Row(number, title, function, code)


@dataclass(frozen=True)
class Part:
    """A part of the lecture: a module of ``experiments.lessons.rows`` whose docstring is the title.

    A part too long for one file imports the rest of its rows.
    """

    chapter: str
    module: ModuleType

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    @property
    def title(self) -> str:
        return (self.module.__doc__ or "").strip().rstrip(".")

    @property
    def rows(self) -> list[Row]:
        rows = [value for value in vars(self.module).values() if isinstance(value, Row)]
        return sorted(rows, key=lambda row: row.number)

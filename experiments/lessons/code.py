"""Where the code of a row is: file, line and source of functions, and of the hand-written rule behind them."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from manualnet.functional._function import Function

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """Something in the source: its name, its file from the root, the line it starts in, and its text."""

    name: str
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.name}  {self.file}:{self.line}"


def place(code: Any) -> Place:
    """Where a function, a class or a module is written.

    >>> from manualnet import functional as F
    >>> found = place(F.sigmoid)
    >>> found.name, found.file
    ('sigmoid', 'manualnet/functional/activations/sigmoid.py')
    """
    lines, line = inspect.getsourcelines(code)
    file = Path(inspect.getsourcefile(code) or "").resolve().relative_to(ROOT).as_posix()
    name = file if isinstance(code, ModuleType) else code.__qualname__
    return Place(name, file, max(line, 1), "".join(lines))


def rules(code: Any) -> list[type[Function]]:
    """The hand-written Functions in the file of a function, whose backward it uses.

    >>> from manualnet import functional as F
    >>> [rule.__name__ for rule in rules(F.sigmoid)]
    ['Sigmoid']
    """
    module = sys.modules[code.__module__] if not isinstance(code, ModuleType) else code
    found = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Function)]
    return [rule for rule in found if rule.__module__ == module.__name__]

"""A notebook for each part: the rows' texts, and under each the very code that works the row out, to be changed."""

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from experiments.lessons.contents import PARTS
from experiments.lessons.row import Part, Row
from experiments.lessons.show.mathematics import BLOCK, INLINE

_OPENING = """
# {chapter}: {title}

Rows {first} to {last} of the lecture. Each cell works out one row with manualnet's hand-written gradients: change it,
and run it again. `work.expect(name, expected, computed)` sets the lecture's number beside the computed one.
"""
_IMPORTS = """
from experiments.lessons.show.notebook import show
from experiments.lessons.work import Work
"""


def write(folder: Path) -> list[Path]:
    """Write every part's notebook into ``folder``, without outputs; the same source gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, part in enumerate(PARTS, start=1):
        paths.append(folder / f"{number:02}-{part.name}.ipynb")
        paths[-1].write_text(nbformat.writes(notebook(part)) + "\n", encoding="utf-8")
    return paths


def notebook(part: Part) -> nbformat.NotebookNode:
    """The notebook of one part."""
    first, last = part.rows[0].name, part.rows[-1].name
    opening = _OPENING.format(chapter=part.chapter, title=part.title, first=first, last=last)
    cells = [new_markdown_cell(opening.strip()), new_code_cell(_setup(part))]
    for row in part.rows:
        cells += [new_markdown_cell(f"## {row.name} · {row.title}\n\n{_text(row)}"), new_code_cell(_code(row))]
    for number, cell in enumerate(cells):
        cell["id"] = f"{part.name}-{number}"  # drawn at random by default
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _setup(part: Part) -> str:
    """What the modules of the part's rows hold beside them: imports, constants, functions."""
    modules = dict.fromkeys(row.function.__module__ for row in part.rows)
    kept = [line for name in modules for line in _beside_rows(inspect.getsource(sys.modules[name]))]
    return (_IMPORTS.strip() + "\n" + "\n".join(dict.fromkeys(kept))).strip()


def _beside_rows(source: str) -> list[str]:
    lines, kept = source.splitlines(), []
    for node in ast.parse(source).body[1:]:
        decorators = getattr(node, "decorator_list", [])
        if any(isinstance(d, ast.Call) and getattr(d.func, "id", "") == "row" for d in decorators):
            continue
        if isinstance(node, ast.ImportFrom) and {name.name for name in node.names} <= {"row", "Work"}:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("experiments.lessons.rows"):
            continue
        first = min([node.lineno, *(d.lineno for d in decorators)])
        separator = "\n\n" if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""
        kept.append(separator + "\n".join(lines[first - 1 : node.end_lineno]))
    return kept


def _code(row: Row) -> str:
    """The body of the row's function, on a ``Work`` of its own."""
    source = textwrap.dedent(inspect.getsource(row.function))
    function = next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    first, last = function.body[1].lineno, function.end_lineno
    body = textwrap.dedent("\n".join(source.splitlines()[first - 1 : last]))
    return f"work = Work()\n{body}\nshow(work)"


def _text(row: Row) -> str:
    text = BLOCK.sub(lambda m: f"$$\n{m[1]}\n$$", row.text)
    text = INLINE.sub(lambda m: f"${m[1]}$", text)
    text = re.sub(r"\[([^\]]+)\]\(#\w[\w-]*\)", r"\1", text)
    return text.replace("](../", "](../../")

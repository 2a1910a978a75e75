"""Every single fault that can be planted in a file."""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from experiments.mutate.operators import OPERATORS

# They change no behaviour that is promised: imports, the wording of errors, texts, and checks of types and lengths.
_LEFT_ALONE = (ast.Import, ast.ImportFrom, ast.Raise, ast.JoinedStr)
_FIELDS_LEFT_ALONE = frozenset("annotation returns decorator_list bases".split())
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Mutant:
    """One fault: where it is, and its statement before and after."""

    file: str  # relative to the folder that is searched, with /
    number: int  # among the mutants of its file
    line: int
    column: int
    function: str  # qualified; empty at the module's level
    operator: str
    before: str
    after: str
    source: str = field(repr=False, compare=False)  # of its file as it was found

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names it as long as its statement stays as it is."""
        return self.file, self.function, self.before, self.after

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where} {self.function or 'module'}: {self.operator}: {self.before}  ->  {self.after}"


def find(root: Path, file: str) -> list[Mutant]:
    """The mutants of ``root / file``, without those that come to the same."""
    source = (root / file).read_text(encoding="utf-8")
    tree = ast.parse(source, file)
    mutants: list[Mutant] = []
    seen: set[tuple[int, str]] = set()
    for number, (site, operator, replacement) in enumerate(_faults(tree)):
        before = _one_line(site.statement)
        with _Planted(site, replacement) as planted:
            after = _one_line(planted)
        change = id(site.statement), after
        if after != before and change not in seen:
            seen.add(change)
            line, column = site.position
            mutants.append(Mutant(file, number, line, column + 1, site.function, operator, before, after, source))
    return mutants


def plant(mutant: Mutant) -> ast.Module:
    """The syntax tree of the mutant's file with its fault."""
    tree = ast.parse(mutant.source, mutant.file)
    for number, (site, _, replacement) in enumerate(_faults(tree)):
        if number == mutant.number:
            site.put(replacement)
            return ast.fix_missing_locations(tree)
    raise ValueError(f"{mutant.file} has no mutant {mutant.number}")


@dataclass
class _Site:
    """A node, the place that holds it, and the statement and the function that it is part of."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    statement: ast.AST
    function: str

    @property
    def position(self) -> tuple[int, int]:
        located = self.node if hasattr(self.node, "lineno") else self.statement
        return located.lineno, located.col_offset  # type: ignore[attr-defined]

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


class _Planted:
    """The fault within the context, the tree as it was after it; gives the changed statement."""

    def __init__(self, site: _Site, replacement: ast.AST) -> None:
        self.site, self.replacement = site, replacement

    def __enter__(self) -> ast.AST:
        self.site.put(self.replacement)
        return self.replacement if self.site.node is self.site.statement else self.site.statement

    def __exit__(self, *_) -> None:
        self.site.put(self.site.node)


def _faults(tree: ast.Module) -> Iterator[tuple[_Site, str, ast.AST]]:
    for site in _sites(tree, tree, ""):
        for name, operator in OPERATORS.items():
            for replacement in operator(site.node):
                yield site, name, ast.copy_location(replacement, site.node)


def _sites(parent: ast.AST, statement: ast.AST, function: str) -> Iterator[_Site]:
    for name, value in ast.iter_fields(parent):
        if name in _FIELDS_LEFT_ALONE:
            continue
        listed = isinstance(value, list)
        for i, node in enumerate(value if listed else [value]):
            if not isinstance(node, ast.AST) or isinstance(node, _LEFT_ALONE) or _is_typing(node):
                continue
            around = node if isinstance(node, ast.stmt) else statement
            yield _Site(node, parent, name, i if listed else None, around, function)
            inside = f"{function}.{node.name}".lstrip(".") if isinstance(node, _SCOPES) else function
            yield from _sites(node, around, inside)


def _is_typing(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name("__all__")]) | ast.keyword(arg="strict"):
            return True
        case ast.BinOp(op=ast.BitOr()):
            return _is_type(node)
        case ast.If(test=ast.Name("TYPE_CHECKING")):
            return True
    return False


def _is_type(node: ast.AST) -> bool:
    """``int | tuple[int, int]`` and the like, which look as a computation does."""
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_type(left) and _is_type(right)
        case ast.Subscript(value=value):
            return _is_type(value)
        case ast.Name(name):
            return isinstance(getattr(builtins, name, None), type)
    return False


def _one_line(node: ast.AST) -> str:
    """A statement as it would be written without line breaks, of a compound one the head."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        node = type(node)(**{**dict(ast.iter_fields(node)), "decorator_list": []})
    lines = ast.unparse(ast.fix_missing_locations(node)).splitlines()
    return lines[0]

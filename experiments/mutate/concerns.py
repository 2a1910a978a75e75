"""Which functions a file of ``manualnet.functional`` concerns: its own, and all whose files need it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "manualnet.functional"


@cache
def files() -> tuple[str, ...]:
    """The files of the package, as paths from the project's root."""
    folder = ROOT.joinpath(*PACKAGE.split("."))
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in folder.rglob("*.py")))


def module_of(file: str) -> str:
    """The name under which a file is imported."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def concerned(file: str) -> tuple[str, ...]:
    """Names of public functions, the file's own first; none for a package's ``__init__``, which is no part of any."""
    module, homes = module_of(file), _homes()
    names = (name for name, home in homes.items() if module in _behind(home))
    return tuple(sorted(names, key=lambda name: (homes[name] != module, name)))


@cache
def _homes() -> dict[str, str]:
    """Public functions and the modules that define them, as the families' ``__init__`` files import them."""
    families = [file for file in files() if file.count("/") == 3 and file.endswith("/__init__.py")]
    imported = [node for file in families for node in _imports(file)]
    return {alias.name: node.module for node in imported for alias in node.names if node.module}


@cache
def _behind(module: str) -> frozenset[str]:
    """The modules that ``module`` needs, itself included; packages do not count, as they import everything."""
    by_module = {module_of(file): file for file in files() if not file.endswith("/__init__.py")}
    found: set[str] = set()
    waiting = [module]
    while waiting:
        found.add(current := waiting.pop())
        for node in _imports(by_module[current]):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            waiting += [name for name in names if name in by_module and name not in found]
    return frozenset(found)


@cache
def _imports(file: str) -> tuple[ast.ImportFrom, ...]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))

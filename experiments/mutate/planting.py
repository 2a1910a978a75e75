"""Importing a module with other code than its file has."""

import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType


class _Loader(SourceFileLoader):
    """Reads the file as ever, for tracebacks and doctests, but runs the given code; caches nothing."""

    def __init__(self, module: str, path: str, code: CodeType) -> None:
        super().__init__(module, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class _Finder:
    def __init__(self, module: str, path: Path, code: CodeType) -> None:
        self.module, self.path, self.code = module, path, code

    def find_spec(self, fullname: str, path=None, target=None) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        loader = _Loader(fullname, str(self.path), self.code)
        return spec_from_file_location(fullname, self.path, loader=loader)


def install(module: str, path: Path, code: CodeType) -> None:
    """From now on ``import module`` runs ``code``. It must not have been imported yet."""
    if module in sys.modules:
        raise RuntimeError(f"{module} was imported before its fault was planted")
    sys.meta_path.insert(0, _Finder(module, path, code))

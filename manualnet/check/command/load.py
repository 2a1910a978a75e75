"""Finds what is to be checked: a function of manualnet by its name, anybody's by module or file."""

import importlib
import sys
import sysconfig
import traceback
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from manualnet.check.command.mistake import Mistake, meant
from manualnet.check.property import short
from manualnet.check.spec import Spec


def find(target: str) -> Spec:
    """The spec that a target names; one without samples if it names a function.

    Args:
        target: a function of manualnet (``sigmoid``), or ``module:name`` or ``path.py:name`` of a
            ``torch.autograd.Function``, of any other function, or of a ``Spec``.

    Raises:
        Mistake: it cannot be found, imported or called.

    >>> find("sigmoid").name, find("torch.nn.functional:silu").name
    ('sigmoid', 'silu')
    """
    if ":" in target:
        found = _attribute(target)
        return found if isinstance(found, Spec) else Spec(target.rpartition(":")[2], _callable(found, target), ())
    from manualnet.specs import SPECS

    if target in SPECS:
        return SPECS[target]
    if target.endswith(".py"):
        raise Mistake(f"{target}: say what to check in it, as in {target}:NAME{_offers(_module(target))}")
    hint = meant(target, SPECS) or "; --list shows what there is, PATH.py:NAME or MODULE:NAME checks your own"
    raise Mistake(f"manualnet has no function {target!r}{hint}")


def function(target: str) -> Any:
    """The Function or other function that ``module:name`` or ``path.py:name`` names."""
    if ":" not in target:
        raise Mistake(f"{target!r} names no function: write MODULE:NAME or PATH.py:NAME")
    return _callable(_attribute(target), target)


def _callable(found: Any, target: str) -> Any:
    if isinstance(found, type) and not issubclass(found, torch.autograd.Function):
        raise Mistake(f"{target} is a class, but no torch.autograd.Function: name a function, or an instance")
    if not callable(found):
        raise Mistake(
            f"{target} is of type {type(found).__name__}: name a torch.autograd.Function, a function or a Spec"
        )
    return found


def _attribute(target: str) -> Any:
    place, _, path = target.rpartition(":")
    found: Any = _module(place)
    for name in path.split("."):
        if not hasattr(found, name):
            raise Mistake(f"{place} has no {path!r}{meant(name, dir(found)) or _offers(found)}")
        found = getattr(found, name)
    return found


def _offers(owner: Any) -> str:
    """What of a module can be checked."""
    known = [
        name
        for name, x in getattr(owner, "__dict__", {}).items()
        if isinstance(x, Spec) or (isinstance(x, type) and issubclass(x, torch.autograd.Function))
    ]
    return f"; it has {', '.join(known)}" if known else ""


def _module(place: str) -> ModuleType:
    is_file = place.endswith(".py")
    if is_file and not Path(place).is_file():
        raise Mistake(f"there is no file {place}")
    try:
        return _from_file(Path(place).resolve()) if is_file else import_module(place)
    except (Exception, SystemExit) as error:
        raise Mistake(f"{place} cannot be imported: {_told(error)}") from error


def _from_file(path: Path) -> ModuleType:
    """Import a file under its own name, in its package if it is in one, so that it finds what lies beside it."""
    root, name = path.parent, path.stem
    while (root / "__init__.py").is_file():
        root, name = root.parent, f"{root.name}.{name}"
    for folder in (path.parent, root):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    if "." in name:
        return import_module(name)
    if name in sys.modules and sys.modules[name].__dict__.get("__file__") != str(path):
        name = str(path)  # another module has the name
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _told(error: BaseException) -> str:
    """An error of an import in one line, with the line of the user's code that raised it."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    if isinstance(error, SystemExit):
        return "it exits when imported; put its main part under if __name__ == '__main__':"
    ours = (__file__, importlib.__file__)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename not in ours and f.filename[0] != "<"]
    libraries = tuple(sysconfig.get_paths()[kind] for kind in ("stdlib", "purelib", "platlib"))
    users = [f for f in frames if not f.filename.startswith(libraries)] or frames
    place = f"{users[-1].filename}, line {users[-1].lineno}: " if users else ""
    return place + short(error)

"""The proof of ``manualnet.functional``, run in a forked child until something notices the fault.

The engine's properties come first, of the first functions that the file concerns; then the tests that noticed other
faults of the file, and all that are quick: they tell faults of what many functions share, which the properties of each
in turn would look for in vain. The properties of the other functions, the file's doctests and the slower tests follow.
In all of these, tests that name one of the functions come before those that name none.
"""

import doctest
import importlib
import logging
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from unittest import mock

from experiments.mutate.concerns import ROOT, concerned, module_of
from experiments.mutate.mutants import Mutant, plant
from experiments.mutate.planting import install

QUICK = ["tests/functional", "--ignore=tests/functional/test_hypothesis.py"]
TESTS = [
    "tests/functional/test_hypothesis.py",
    "tests/native",
    "tests/nn",
    "tests/test_devices.py",
    "tests/test_opinfo.py",
    "tests/test_moduleinfo.py",
]
# Properties that compile, which takes seconds a function: asked last.
SLOW = ["autocast", "compile", "compile keeps the rule", "compile dynamic", "export", "inductor"]
SAMPLES = "samples"
_FIRST = 6  # functions whose properties are asked before any test
_NOT_FOUND = 4  # pytest's exit code where it is handed a test that is not there
# What the proof imports beside manualnet: once, in the parent, which must not import manualnet.
PRELOADED = """
    numpy hypothesis pytest torch.func torch.export torch._dynamo.backends.debugging torch._functorch.aot_autograd
    torch._inductor.compile_fx torch._subclasses.fake_tensor torch.fx.experimental.symbolic_shapes torchvision
    torch.testing._internal.common_methods_invocations torch.testing._internal.common_modules
""".split()


@dataclass(frozen=True)
class Catch:
    """The check that noticed a fault."""

    stage: str
    check: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.check}" if self.check else self.stage


def preload() -> None:
    """Import what every child needs, and keep to one thread, as a process with several cannot be forked."""
    import torch

    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # which misses a GPU
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    # PyTorch's test metadata would freeze the backends' flags, which tests set.
    with mock.patch.object(torch.backends, "disable_global_flags"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in PRELOADED:
            importlib.import_module(name)


class Proof:
    """What is proven, in two questions; each is asked in a fresh child."""

    def find(self, mutant: Mutant, recent: Sequence[str] = ()) -> Catch | None:
        """The first check that notices the mutant; ``recent`` tests are asked before the others."""
        module = module_of(mutant.file)
        path = ROOT / mutant.file
        install(module, path, compile(plant(mutant), str(path), "exec"))
        return self.prove(mutant.file, recent)

    def prove(self, file: str, recent: Sequence[str] = ()) -> Catch | None:
        """The first check that fails."""
        names = concerned(file)
        try:
            importlib.import_module("manualnet.specs")
        except BaseException:
            return Catch("import", "")
        if caught := self._by_engine(names[:_FIRST], skip=SLOW):
            return caught
        # A fault may make a test disappear: those that are left are asked below.
        if recent and (failed := _pytest(*recent, allowed=[_NOT_FOUND])):
            return Catch("test", failed)
        if failed := _pytest(*QUICK, names=names):
            return Catch("test", failed)
        if caught := self._by_engine(names[_FIRST:], skip=SLOW):
            return caught
        if _doctests(file):
            return Catch("doctest", "")
        paths = [path for path in TESTS if (ROOT / path).exists()]
        if failed := _pytest(*paths, names=names):
            return Catch("test", failed)
        return self._by_engine(names, only=SLOW)

    def _by_engine(
        self, names: Collection[str], only: Collection[str] = (), skip: Collection[str] = ()
    ) -> Catch | None:
        for name in names:
            if failed := _engine(name, only, skip):
                return Catch("engine", f"{name}: {failed}")
        return None

    def holds(self, file: str, catch: Catch) -> bool:
        """Whether the check passes on the source as it is: else it has noticed nothing."""
        if catch.stage == "engine":
            name, prop = catch.check.split(": ")
            return not _engine(name, () if prop == SAMPLES else [prop])
        if catch.stage == "doctest":
            return not _doctests(file)
        if catch.stage == "test":
            return not _pytest(catch.check)
        if catch.stage == "import":
            importlib.import_module("manualnet.specs")
            return True
        return self.prove(file) is None


def _engine(name: str, only: Collection[str] = (), skip: Collection[str] = ()) -> str | None:
    """The property that fails of a function, or its samples where they cannot even be made."""
    from manualnet.check.engine import prove
    from manualnet.specs import SPECS

    try:
        report = prove(SPECS[name], only, skip, stop_early=True)
    except Exception:
        return SAMPLES
    return next((result.property for result in report.failures), None)


def _doctests(file: str) -> int:
    """How many examples of the file fail."""
    module = importlib.import_module(module_of(file))
    return doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed


class _Relevant:
    """A pytest plugin: tests that name our functions first, none that is about others; remembers the first failure."""

    def __init__(self, names: Collection[str]) -> None:
        self.names, self.failed = names, ""

    def pytest_collection_modifyitems(self, items: list) -> None:
        if self.names:
            ours = [item for item in items if not self._about_others(item)]
            items[:] = sorted(ours, key=lambda item: not any(name in item.nodeid for name in self.names))

    def _about_others(self, item) -> bool:
        """Whether the test is parametrised by other functions, their specs or their modules, alone."""
        from manualnet.specs import SPECS

        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        given = {name for v in values if isinstance(name := getattr(v, "name", v), str)}
        functions = {spec.name for spec in SPECS.values() if not given.isdisjoint({spec.name, spec.module})}
        return bool(functions) and functions.isdisjoint(self.names)

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def _pytest(*tests: str, names: Collection[str] = (), allowed: Collection[int] = ()) -> str:
    """The test that fails first; pytest may end with an ``allowed`` code and name none."""
    import pytest

    relevant = _Relevant(names)
    # What was imported beforehand cannot have its assertions rewritten, which is no fault.
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = pytest.main([*options, *tests], plugins=[relevant])
    if not relevant.failed and code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, *allowed}:
        raise RuntimeError(f"pytest ended with {code!r} and named no test, called with {tests}")
    return relevant.failed

"""pytest's ``--manualnet-check``: every ``Spec`` at the top of a test module becomes a test a property.

pytest imports this module whenever it starts, so it imports neither torch nor the engine until there is a spec.
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from manualnet.check.spec import Spec


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("manualnet", "manualnet: gradients under check")
    group.addoption(
        "--manualnet-check",
        action="store_true",
        help="check every manualnet.check.Spec at the top of a test module, property by property",
    )


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> "SpecCollector | None":
    # Only who has imported this module can have made a Spec.
    specs = sys.modules.get("manualnet.check.spec")
    if specs is None or not isinstance(collector, pytest.Module) or not isinstance(obj, specs.Spec):
        return None
    if not collector.config.getoption("manualnet_check"):
        return None
    return SpecCollector.from_parent(collector, name=name, spec=obj)


class SpecCollector(pytest.Collector):
    """The properties of one spec."""

    def __init__(self, spec: "Spec", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    def collect(self) -> Iterator["PropertyItem"]:
        from manualnet.check import PROPERTIES

        for name in PROPERTIES:
            yield PropertyItem.from_parent(self, name=name, spec=self.spec)


class PropertyItem(pytest.Item):
    """One property of one spec."""

    def __init__(self, spec: "Spec", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    def runtest(self) -> None:
        from manualnet.check import prove

        # One result, of this property, or of the value if the call itself fails.
        (result,) = prove(self.spec, only=[self.name])
        if result.failed:
            pytest.fail(f"{result.wrong}\n{result.mend}", pytrace=False)
        if not result.passed:
            pytest.skip(result.why)

    def reportinfo(self) -> tuple[Any, None, str]:
        return self.path, None, f"{self.spec.name}: {self.name}"

"""Every operation of manualnet holds every property that applies to it, and the README's matrix says which apply."""

from functools import cache
from pathlib import Path

import pytest

from manualnet import functional, nn, reference
from manualnet.check import PROPERTIES, prove
from manualnet.check.command.matrix import grid
from manualnet.check.screen import Screen
from manualnet.specs import SPECS

README = Path(__file__).parents[1] / "README.md"


@cache
def proof(name):
    return prove(SPECS[name])


def test_every_function_has_a_spec():
    assert sorted(SPECS) == sorted(functional.__all__)


@pytest.mark.parametrize("name", SPECS)
def test_twin_and_module_exist(name):
    spec = SPECS[name]
    assert callable(spec.reference)
    if spec.module:
        assert getattr(reference.nn, spec.module) is not getattr(nn, spec.module)


@pytest.mark.parametrize("name", SPECS)
def test_docstring_gives_source_and_example(name):
    doc = SPECS[name].function.__doc__
    assert "Source:" in doc
    assert ">>>" in doc


@pytest.mark.parametrize("property", PROPERTIES)
@pytest.mark.parametrize("name", SPECS)
def test_proof(name, property):
    result = proof(name)[property]
    assert not result.failed, f"{result.wrong}\n{result.mend}"
    if result.status == "does not apply":
        pytest.skip(result.why)


@pytest.mark.parametrize("name", SPECS)
def test_samples_stand_clear_of_kinks(name):
    assert not proof(name).notes


def test_the_readme_shows_the_matrix():
    """So that nothing that applied stops applying unnoticed."""
    shown = grid([proof(name) for name in SPECS], Screen(120))
    assert f"```\n{shown}\n```" in README.read_text(encoding="utf-8"), f"README.md should show\n{shown}"

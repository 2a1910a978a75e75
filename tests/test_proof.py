"""Every operation of manualnet holds every property that applies to it."""

from functools import cache

import pytest

from manualnet import functional, nn, reference
from manualnet.check import PROPERTIES, prove
from manualnet.specs import SPECS

# What may not apply, and to what. A property that stops applying to anything else fails the test.
NOT_APPLICABLE: dict[str, set[str]] = {}


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


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("property", PROPERTIES)
def test_proof(name, property):
    result = proof(name)[property]
    assert not result.failed, f"{result.wrong}\n{result.mend}"
    if result.status == "does not apply":
        assert name in NOT_APPLICABLE.get(property, set()), result.why
        pytest.skip(result.why)


@pytest.mark.parametrize("name", SPECS)
def test_samples_stand_clear_of_kinks(name):
    assert not proof(name).notes

"""Every operation of manualnet holds every property that applies to it, and the README's matrix says which apply."""

import pickle
from functools import cache
from pathlib import Path

import pytest

from manualnet import functional, nn, reference
from manualnet.check import PROPERTIES, prove
from manualnet.check.command.matrix import grid
from manualnet.check.screen import Screen
from manualnet.specs import SPECS

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="session")
def proof(tmp_path_factory, worker_id):
    """The report on a function; what another worker has proved is taken from there."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    @cache
    def report(name):
        path = shared / f"{name}.proof"
        if not path.exists():
            partial = path.with_suffix(f".{worker_id}")
            partial.write_bytes(pickle.dumps(prove(SPECS[name])))
            partial.replace(path)
        return pickle.loads(path.read_bytes())

    return report


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
def test_proof(proof, name, property):
    result = proof(name)[property]
    assert not result.failed, f"{result.wrong}\n{result.mend}"
    if result.status == "does not apply":
        pytest.skip(result.why)


@pytest.mark.parametrize("name", SPECS)
def test_samples_stand_clear_of_kinks(proof, name):
    assert not proof(name).notes


def test_the_readme_shows_the_matrix(proof):
    """So that nothing that applied stops applying unnoticed."""
    shown = grid([proof(name) for name in SPECS], Screen(120))
    assert f"```\n{shown}\n```" in README.read_text(encoding="utf-8"), f"README.md should show\n{shown}"

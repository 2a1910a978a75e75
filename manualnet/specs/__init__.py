"""Data: one spec an operation, from which tests, proofs and benchmarks are made."""

from manualnet.specs import activations, arithmetic, layers, losses, penalties, weighted
from manualnet.specs.spec import Operation

SPECS: dict[str, Operation] = {
    spec.name: spec
    for family in (activations, losses, penalties, weighted, layers, arithmetic)
    for spec in family.SPECS
}

__all__ = ["SPECS", "Operation"]

"""Specs of the arithmetic."""

from manualnet.specs.spec import Spec

SPECS: list[Spec] = []

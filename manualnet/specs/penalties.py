"""Specs of the penalties."""

from manualnet.specs.spec import Spec

SPECS: list[Spec] = []

"""Specs of the layers."""

from manualnet.specs.spec import Spec

SPECS: list[Spec] = []

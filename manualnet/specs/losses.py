"""Specs of the losses."""

from manualnet.specs.spec import Spec

SPECS: list[Spec] = []

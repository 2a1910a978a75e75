"""Calls drawn at random, a function for each operation: shapes, strides, types and parameters."""

from manualnet.specs.draws.draw import Draw, Seeded

__all__ = ["Draw", "Seeded"]

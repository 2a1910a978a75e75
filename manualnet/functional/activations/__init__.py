"""Activations: what a unit does with its weighted sum."""

from manualnet.functional.activations.sigmoid import sigmoid

__all__ = ["sigmoid"]

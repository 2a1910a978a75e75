"""Figures, each made by a function of its own that returns a matplotlib Figure."""

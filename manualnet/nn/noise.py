"""Layers that draw at random in training."""

__all__: list[str] = []

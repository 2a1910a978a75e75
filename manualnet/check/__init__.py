"""Checks a ``torch.autograd.Function``, property by property: is it right, and what of PyTorch does it compose with?

>>> import torch
>>> from manualnet.check import check
>>> report = check(torch.nn.functional.silu, torch.randn(3, 4), only=["numeric gradient", "second derivative"])
>>> [(result.property, result.status) for result in report]
[('numeric gradient', 'passed'), ('second derivative', 'passed')]
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manualnet.check.engine import check, prove
    from manualnet.check.properties import PROPERTIES
    from manualnet.check.report import Report, Result
    from manualnet.check.spec import Kink, Sample, Spec

__all__ = ["PROPERTIES", "Kink", "Report", "Result", "Sample", "Spec", "check", "prove"]


def __getattr__(name: str):
    # Imported when asked for: the engine needs torch, which takes seconds, and the command line's --help does not.
    if name in __all__:
        return getattr(import_module(f"{__name__}.engine"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

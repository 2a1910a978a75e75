"""Checks a ``torch.autograd.Function``, property by property: is it right, and what of PyTorch does it compose with?

>>> import torch
>>> from manualnet.check import check
>>> report = check(torch.nn.functional.silu, torch.randn(3, 4), only=["numeric gradient", "second derivative"])
>>> [(result.property, result.status) for result in report]
[('numeric gradient', 'passed'), ('second derivative', 'passed')]
"""

from manualnet.check.engine import check, prove
from manualnet.check.properties import PROPERTIES
from manualnet.check.report import Report, Result
from manualnet.check.spec import Kink, Sample, Spec

__all__ = ["PROPERTIES", "Kink", "Report", "Result", "Sample", "Spec", "check", "prove"]

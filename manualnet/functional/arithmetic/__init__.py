"""Arithmetic: the operations that expressions are made of."""

from manualnet.functional.arithmetic.add import add
from manualnet.functional.arithmetic.matmul import matmul
from manualnet.functional.arithmetic.mean import mean
from manualnet.functional.arithmetic.mul import mul
from manualnet.functional.arithmetic.pad import pad
from manualnet.functional.arithmetic.sub import sub
from manualnet.functional.arithmetic.sum import sum  # noqa: A004

__all__ = ["add", "matmul", "mean", "mul", "pad", "sub", "sum"]

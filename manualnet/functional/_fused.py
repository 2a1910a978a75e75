"""Formulas on elements, and sums of them, with a compiled stand-in."""

import functools
import inspect
from collections.abc import Callable
from types import ModuleType

from torch import Tensor

from manualnet.functional._plain import plain
from manualnet.native import elementwise, sums
from manualnet.native.call import fits
from manualnet.native.elementwise import Expression

Formula = Callable[..., Tensor]

FUSED: list[Formula] = []
SUMMED: list[Formula] = []


def fused(expression: str, *headers: str, least: int = elementwise.MANY) -> Callable[[Formula], Formula]:
    """Let ``expression``, in C, stand in for a formula on the elements of large plain tensors on the CPU.

    PyTorch's terms take several passes over memory, and some of its kernels (``where``) one element at a time;
    compiled, the same formula is one pass. The formula's parameters are the names in the expression: the first is a
    tensor, of which the result has the type and layout, others are tensors like it or numbers, and a number may be a
    tensor without dimensions, as the cotangent of a sum is. Half precision is computed in float and rounded once.
    ``headers`` are C files of :mod:`manualnet.native` that the expression needs; ``least`` is the number of elements
    from which on it is used, because a call of compiled code takes as long as a few of PyTorch's.
    """
    return _compiled(elementwise, FUSED, expression, headers, least)


def summed(expression: str, *headers: str, least: int = elementwise.MANY) -> Callable[[Formula], Formula]:
    """As :func:`fused`, for a formula that sums over all elements: it gives one number, for half precision a float.

    Compiled, nothing is written on the way, and no digits are lost to the number of elements: a few hundred are summed
    in float, and beyond that in double.
    """
    return _compiled(sums, SUMMED, expression, headers, least)


def _compiled(
    kernel: ModuleType, registry: list[Formula], expression: str, headers: tuple[str, ...], least: int
) -> Callable[[Formula], Formula]:
    def decorate(formula: Formula) -> Formula:
        compiled = Expression(expression, headers, tuple(inspect.signature(formula).parameters))

        @functools.wraps(formula)
        def rule(*arguments):
            first = arguments[0]
            if first.numel() >= least and fits(first) and plain(*arguments):
                out = kernel.run(compiled, arguments)
                if out is not None:
                    return out
            return formula(*arguments)

        registry.append(rule)
        return rule

    return decorate

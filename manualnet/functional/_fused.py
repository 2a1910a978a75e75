"""Elementwise formulas with a compiled stand-in."""

import functools
import inspect
from collections.abc import Callable

from torch import Tensor

from manualnet.functional._plain import plain
from manualnet.native import elementwise

FUSED: list[Callable] = []


def fused(expression: str, *headers: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Let ``expression``, in C, stand in for a formula on the elements of large plain tensors on the CPU.

    PyTorch's terms take several passes over memory, and some of its kernels (``where``) one element at a time;
    compiled, the same formula is one pass. The formula's parameters are the names in the expression: tensors first, of
    which the result has the type and layout of the first, then numbers. Half precision is computed in float and
    rounded once. ``headers`` are C files of :mod:`manualnet.native` that the expression needs.
    """

    def decorate(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
        names = tuple(inspect.signature(formula).parameters)

        @functools.wraps(formula)
        def rule(*arguments):
            if elementwise.worth(arguments[0]):
                tensors = [a for a in arguments if isinstance(a, Tensor)]
                if elementwise.alike(tensors) and plain(*tensors):
                    out = elementwise.run(expression, headers, names, tensors, arguments[len(tensors) :])
                    if out is not None:
                        return out
            return formula(*arguments)

        FUSED.append(rule)
        return rule

    return decorate

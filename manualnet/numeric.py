"""Numerical gradients: the slope as a difference quotient, one number of the input after the other.

It needs no derivation and no autograd, which makes it a judge of both; and one evaluation or two a number, which makes
it useless for training. Rows S37 to S39 of the lecture.

>>> import torch
>>> from manualnet import functional as F
>>> x = torch.tensor([0.0, 2.0], dtype=torch.float64)
>>> gradient(lambda x: F.sigmoid(x).sum(), x)
tensor([0.2500, 0.1050], dtype=torch.float64)
"""

import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any, overload

import torch
from torch import Tensor

METHODS = ("forward", "central")


def step(dtype: torch.dtype, method: str = "central") -> float:
    """The step that is taken of a number of size 1 in the type ``dtype``; larger numbers take it times their size.

    The value of f is off by round-off of about ε|f|, with ε the spacing of the type's numbers at 1. A smaller step
    makes the formula better and this worse, and the two are balanced at

        forward    h f''/2 = 2 ε f/h    gives  h ≈ √ε   (float32 3.5e-4, float64 1.5e-8), and leaves an error of √ε
        central    h² f'''/6 = ε f/h    gives  h ≈ ∛ε   (float32 4.9e-3, float64 6.1e-6), and leaves an error of ε^⅔

    up to factors such as √(f/f''), which are taken for 1.

    >>> f"{step(torch.float32):.1e}, {step(torch.float64, 'forward'):.1e}"
    '4.9e-03, 1.5e-08'
    """
    _known(method)
    return torch.finfo(dtype).eps ** (1 / 2 if method == "forward" else 1 / 3)


@overload
def gradient(function: Callable[..., Any], x: Tensor, /, *, method: str = ..., h: float | None = ...) -> Tensor: ...
@overload
def gradient(
    function: Callable[..., Any], x: Tensor, y: Tensor, /, *more: Tensor, method: str = ..., h: float | None = ...
) -> tuple[Tensor, ...]: ...
def gradient(
    function: Callable[..., Any], *inputs: Tensor, method: str = "central", h: float | None = None
) -> Tensor | tuple[Tensor, ...]:
    """The gradient of a number that is a function of tensors, from differences alone.

    For each element x_i of each input, with the others held,

        forward    (f(x_i + h) - f(x_i)) / h          is off by h f''/2 + 2 ε|f|/h     n + 1 evaluations
        central    (f(x_i + h) - f(x_i - h)) / 2h     is off by h² f'''/6 + ε|f|/h     2n evaluations

    where n counts the elements, and ε|f| is the round-off of f. Divided by is the step that the type could hold:
    1 + 1e-4 is 1.00010002 in float32, and to divide by 1e-4 would add an error of 2e-4.

    At a kink, the central slope is the mean of the two sides and the forward one that of the right side.

    Args:
        function: gives a tensor of one element, or a number. It gets copies that require no gradient, under
            ``torch.no_grad``, and should give the same for the same numbers: one that draws has to seed before.
        inputs: floating tensors of any shape, each an argument of ``function``. They stay as they are. What is not to
            be moved, as class indices, is put into the function: ``lambda x: loss(x, target)``.
        method: ``"central"`` or ``"forward"``.
        h: the step, the same for every element, such as the lecture's 1e-4; by default :func:`step` of the input's
            type, times max(1, |x_i|).

    Returns:
        A tensor of the shape, type and device of the input; a tuple of them for several inputs, as
        ``torch.autograd.functional.jacobian`` does.

    Raises:
        TypeError: an input is no tensor, or not of real floating numbers; or ``function`` gives neither a tensor nor a
            number.
        ValueError: there is no input, ``method`` is unknown, or ``h`` is not positive or too small to change an input.
        RuntimeError: the result has more than one element (:func:`jacobian` takes those).

    Source: S37, S38, S39.

    Row S38: a loss of five decimals resolves a slope of .04 not at all, and others to ± .1.

    >>> loss = lambda w: round(1.25347 + float(w @ torch.tensor([-2.53, 0.58, 0.04], dtype=torch.float64)), 5)
    >>> w = torch.zeros(3, dtype=torch.float64)
    >>> gradient(loss, w, method="forward", h=1e-4)
    tensor([-2.5000,  0.6000,  0.0000], dtype=torch.float64)

    Several inputs, those of S59, with a step that every sum here holds exactly:

    >>> gradient(lambda x, y, z: (x + y) * z, *torch.tensor([-2.0, 5.0, -4.0]), h=0.125)
    (tensor(-4.), tensor(-4.), tensor(3.))
    """

    def number(*tensors: Tensor) -> Tensor:
        value = _result(function, tensors)
        if value.numel() != 1:
            raise RuntimeError(
                "numeric.gradient: a gradient is of a scalar output, but the function returns a tensor of shape "
                f"{tuple(value.shape)}; sum it, or use numeric.jacobian"
            )
        return value.reshape(())

    copies = _copies("gradient", inputs)
    found = [
        torch.tensor([float(s) for s in slopes], dtype=torch.float64).to(x).reshape(x.shape)
        for x, slopes in zip(inputs, _slopes(number, copies, method, h), strict=True)
    ]
    return found[0] if len(found) == 1 else tuple(found)


@overload
def jacobian(function: Callable[..., Any], x: Tensor, /, *, method: str = ..., h: float | None = ...) -> Tensor: ...
@overload
def jacobian(
    function: Callable[..., Any], x: Tensor, y: Tensor, /, *more: Tensor, method: str = ..., h: float | None = ...
) -> tuple[Tensor, ...]: ...
def jacobian(
    function: Callable[..., Any], *inputs: Tensor, method: str = "central", h: float | None = None
) -> Tensor | tuple[Tensor, ...]:
    """∂y/∂x for a result y of any shape: a column an element of x, each as in :func:`gradient`, with its arguments.

    Returns:
        A tensor of shape (\\*y.shape, \\*x.shape); a tuple of them, one an input, for several inputs.

    Source: S37; the Jacobian of S5.

    >>> from manualnet import functional as F
    >>> s = torch.tensor([0.0, 0.0], dtype=torch.float64)
    >>> jacobian(lambda s: F.softmax(s, dim=0), s)
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]], dtype=torch.float64)
    """
    copies = _copies("jacobian", inputs)
    shape = _result(function, copies).shape
    found = []
    for x, slopes in zip(inputs, _slopes(lambda *t: _result(function, t), copies, method, h), strict=True):
        columns = torch.stack(slopes, -1) if slopes else torch.empty(0)
        found.append(columns.to(x).reshape(*shape, *x.shape))
    return found[0] if len(found) == 1 else tuple(found)


def _copies(name: str, inputs: Sequence[Any]) -> list[Tensor]:
    """Contiguous copies, so that an element of an expanded tensor is one number."""
    if not inputs:
        raise ValueError(f"numeric.{name}: there is no input to move; pass the function's arguments after it")
    for i, x in enumerate(inputs):
        kind = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise TypeError(
                f"numeric.{name}: only tensors of real floating numbers can be moved by a small step, but input {i} is "
                f"of {kind}; make it one, or hold it in the function: lambda x: f(x, it)"
            )
    return [x.detach().clone(memory_format=torch.contiguous_format) for x in inputs]


def _result(function: Callable[..., Any], tensors: Sequence[Tensor]) -> Tensor:
    """The value on copies of the tensors, which the function may write to; in float64, where differences are exact."""
    with torch.no_grad():
        value = function(*(t.clone() for t in tensors))
    if isinstance(value, Real):
        return torch.tensor(float(value), dtype=torch.float64)
    if not isinstance(value, Tensor):
        returned = "nothing" if value is None else f"a {type(value).__name__}"
        raise TypeError(f"numeric: the function has to return a tensor or a number, but it returns {returned}")
    if value.is_complex():
        raise TypeError("numeric: slopes are of real numbers, but the function returns complex ones")
    return value.to("cpu", torch.float64)


def _slopes(
    value: Callable[..., Tensor], copies: Sequence[Tensor], method: str, h: float | None
) -> Iterator[list[Tensor]]:
    """For each of the tensors, the slopes along its elements."""
    _known(method)
    if h is not None and not 0 < h < math.inf:
        raise ValueError(f"numeric: the step h must be a positive number, but it is {h}")
    at_x = value(*copies) if method == "forward" else None
    for x in copies:
        flat, size = x.view(-1), step(x.dtype, method)
        slopes = []
        for i in range(len(flat)):
            kept = flat[i].item()
            length = size * max(1.0, abs(kept)) if h is None else h
            right, above = _moved(value, copies, flat, i, length)
            left, below = (kept, at_x) if at_x is not None else _moved(value, copies, flat, i, -length)
            slopes.append((above - below) / (right - left))
        yield slopes


def _moved(
    value: Callable[..., Tensor], copies: Sequence[Tensor], flat: Tensor, i: int, by: float
) -> tuple[float, Tensor]:
    """Where an element comes to when it is moved, and the value there; it is put back."""
    kept = flat[i].item()
    flat[i] = kept + by
    there = flat[i].item()
    if there == kept and math.isfinite(kept):
        kind = str(flat.dtype).removeprefix("torch.")
        raise ValueError(f"numeric: a step of h = {abs(by):g} changes nothing at {kept:g} in {kind}; take a larger one")
    found = value(*copies)
    flat[i] = kept
    return there, found


def _known(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"numeric: there is no method {method!r}; use 'forward' or 'central'")

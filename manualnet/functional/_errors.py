"""Errors for people: one line that says what is wrong, what came and what to do."""

from torch import Tensor

REDUCTIONS = ("none", "mean", "sum")


def need_tensors(name: str, **arguments) -> None:
    for argument, value in arguments.items():
        if not isinstance(value, Tensor):
            raise _no_tensor(name, argument, value)


def refuse_complex(name: str, *tensors) -> None:
    """The gradients here are derived for real numbers."""
    for t in tensors:
        if t.is_complex() if isinstance(t, Tensor) else isinstance(t, complex):
            raise _complex(name, t)


def need_real(name: str, **arguments) -> None:
    """Both at once: a small operation waits for every question."""
    for argument, value in arguments.items():
        if not isinstance(value, Tensor):
            raise _no_tensor(name, argument, value)
        if value.is_complex():
            raise _complex(name, value)


def _no_tensor(name: str, argument: str, value: object) -> TypeError:
    return TypeError(f"{name}: {argument} must be a Tensor, but got {type(value).__name__}")


def _complex(name: str, value: Tensor | complex) -> NotImplementedError:
    came = f"a tensor of {value.dtype}" if isinstance(value, Tensor) else value
    return NotImplementedError(
        f"{name}: its gradient is derived for real numbers, but {came} came; "
        "pass the real and the imaginary part separately"
    )


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction!r} is not a valid value for reduction: use 'none', 'mean' or 'sum'")

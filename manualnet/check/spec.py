"""What is said of a function so that it can be checked: the function, its reference, and data."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils import _pytree as pytree


@dataclass(frozen=True)
class Sample:
    """One call. The tensors with ``requires_grad``, also those in lists and dicts, are differentiated."""

    args: tuple
    kwargs: dict[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def tensors(self) -> list[Tensor]:
        return [a for a in pytree.tree_leaves((self.args, self.kwargs)) if isinstance(a, Tensor)]

    @property
    def inputs(self) -> list[Tensor]:
        return [t for t in self.tensors if t.requires_grad]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Sample":
        """The same call with every tensor changed."""
        args, kwargs = pytree.tree_map(lambda a: change(a) if isinstance(a, Tensor) else a, (self.args, self.kwargs))
        return Sample(args, kwargs, self.label)

    def with_inputs(self, inputs: Sequence[Tensor]) -> "Sample":
        """The same call with other tensors in the differentiable places."""
        fresh = iter(inputs)
        return self.map(lambda t: next(fresh) if t.requires_grad else t)


@dataclass(frozen=True)
class Kink:
    """A point where the derivative is a convention: the gradients expected there for a cotangent of ones."""

    sample: Sample
    gradients: tuple[Tensor, ...]
    like_reference: bool = True  # False where the reference follows another convention


@dataclass(frozen=True)
class Spec:
    """One function and what is needed to check it.

    Args:
        name: how the function is called in reports.
        function: a ``torch.autograd.Function`` subclass, or any differentiable function of tensors.
        samples: calls in float64, away from kinks and ties: a list, or a function of a ``torch.Generator``
            that makes one.
        reference: the same function differentiated by PyTorch, with the same signature; ``None`` if there is none.
        kinks: points where the derivative is a convention, and the gradients expected there.
        extremes: calls with numbers as large as the domain allows.
        large: calls of the size of real work, on which ways that are fast for many elements are compared too.
        random: the function draws from PyTorch's generator, which is seeded before each call.
        flat: its gradient is 0 everywhere.
        hand_written: claims that its gradient runs neither PyTorch's backward kernels nor autograd.
        inductor: compile it with Inductor too, which takes many seconds.

    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> Spec("swish", lambda x: x * torch.sigmoid(x), [Sample((x,))], torch.nn.functional.silu).name
    'swish'
    """

    name: str
    function: Any
    samples: Sequence[Sample] | Callable[[Generator], list[Sample]]
    reference: Any = None
    kinks: Sequence[Kink] | Callable[[], list[Kink]] = ()
    extremes: Sequence[Sample] | Callable[[], list[Sample]] = ()
    large: Sequence[Sample] | Callable[[Generator], list[Sample]] = ()
    random: bool = False
    flat: bool = False
    hand_written: bool = False
    inductor: bool = False


def called(function: Any) -> Callable:
    """What is called: ``apply`` of a Function, a module in float64 as the samples are, anything else as it is."""
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        return function.apply
    if isinstance(function, torch.nn.Module):
        return deepcopy(function).double()
    return function

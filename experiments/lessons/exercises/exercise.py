"""What an exercise is: a Function with its answer, what judges it, and hints that do not give it away."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from manualnet.check import Sample

# Of manualnet.check, in the order in which they are told: what hides the reason of another failure comes first. Before
# them comes "gradient form", which is looked at as backward runs.
PROPERTIES = (
    "value",
    "hand written",
    "gradient",
    "kinks",
    "extremes",
    "nothing mutated",
    "strides",
)

# Those of which there is the same to say in every exercise; {file} is filled in.
HINTS = {
    "value": "What stands above backward was given and right, so put it back as it was: --exercise writes {file} anew "
    "into a folder that has none.",
    "hand written": "This is to be written by hand, from arithmetic and functions such as exp and sum: without "
    "torch.autograd, .backward(), torch.func and the kernels of PyTorch's own backward.",
    "raises": "Mend this line first. If shapes do not meet in it: those of all tensors stand at the top of {file}.",
    "strides": "grad_out comes with any layout, such as expanded or transposed: use .reshape in the place of .view, "
    "and build on no layout.",
    "type": "Make new tensors in the type of those that you were given: torch.zeros_like(x) does in the place of "
    "torch.zeros(x.shape), x.new_tensor(…) in that of torch.tensor(…).",
    "nothing mutated": "grad_out and the saved tensors are used by others after you: compute new tensors, as in "
    "g = 2 * g, and change none in place, as g *= 2 does.",
}


@dataclass(frozen=True)
class Exercise:
    """One operation whose backward is to be written.

    Args:
        name: of the file, and of the module in ``solutions``.
        title: what is printed beside the name.
        reference: the same function differentiated by PyTorch, with the same arguments.
        samples: calls to grade on, in float64.
        hints: by property, or by "gradient of x" for what is wrong with one input alone. A property is graded if there
            is a hint for it, here or in ``HINTS``.
    """

    name: str
    title: str
    reference: Callable[..., Tensor]
    samples: Callable[[], list[Sample]]
    hints: Mapping[str, str]

    @property
    def file(self) -> str:
        return f"{self.name}.py"

    @cached_property
    def solution(self) -> ModuleType:
        return import_module(f"{__package__}.solutions.{self.name}")

    @property
    def source(self) -> str:
        """The complete source of the answer."""
        return Path(str(self.solution.__file__)).read_text(encoding="utf-8")

    @property
    def answer(self) -> type[torch.autograd.Function]:
        """The Function of the answer."""
        [found] = functions(self.solution)
        return found

    @property
    def arguments(self) -> list[str]:
        """The names of forward's arguments."""
        return list(inspect.signature(self.answer.forward).parameters)

    @property
    def properties(self) -> list[str]:
        known = {hint.partition(" of ")[0] for hint in (*HINTS, *self.hints)}
        return [p for p in PROPERTIES if p in known]

    def hint(self, property: str, of: str = "") -> str:
        """What to think about when a property fails, for the input called ``of`` if one was blamed."""
        hints = {**HINTS, **self.hints}
        # Where no input is named, the first: what is said of it comes first.
        keys = f"{property} of {of}", property, f"{property} of {self.arguments[0]}"
        return next(hints[key] for key in keys if key in hints).format(file=self.file)


def functions(module: ModuleType) -> list[type[torch.autograd.Function]]:
    """The Functions that a module itself defines."""
    return [
        x
        for x in vars(module).values()
        if isinstance(x, type) and issubclass(x, torch.autograd.Function) and x.__module__ == module.__name__
    ]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Differentiable numbers in float64, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def given(*values: object) -> Tensor:
    """Differentiable numbers in float64, as they are listed."""
    return torch.tensor(values[0] if len(values) == 1 else values, dtype=torch.float64).requires_grad_()

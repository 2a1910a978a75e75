"""What a row of the lecture works out: values on the way, numbers beside the lecture's, claims, slips and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.lessons.pictures import Pictures

DIGITS = 6  # after the point, as the lecture's numbers are given unless fewer are exact


@dataclass(frozen=True)
class Step:
    """A value on the way, and how it came about."""

    name: str
    value: Any
    how: str = ""


@dataclass(frozen=True)
class Number:
    """The expected number, or numbers, beside the computed ones."""

    name: str
    expected: Any
    computed: Any
    digits: int = DIGITS

    @property
    def holds(self) -> bool:
        return agree(self.expected, self.computed, self.digits)


@dataclass(frozen=True)
class Claim:
    """A sentence that the computation bears out, or does not, and what was seen."""

    sentence: str
    holds: bool
    seen: str = ""


@dataclass(frozen=True)
class Slip:
    """What a slide says beside what is right, each with the value it leads to."""

    sentence: str
    slide: Any
    right: Any


@dataclass(frozen=True)
class Question:
    """A number to find before looking; ``mistakes`` says what each likely wrong answer comes from."""

    text: str
    answer: Any
    mistakes: Mapping[str, Any] = field(default_factory=dict)
    digits: int = 3


@dataclass(frozen=True)
class Drawing:
    """A figure, drawn when it is asked for; ``name`` is its file's, ``caption`` says what there is to see."""

    name: str
    caption: str
    draw: Callable[[], Figure]


Entry = Step | Number | Claim | Slip | Question | Drawing


class Work:
    """Collects what a row works out, in order.

    >>> work = Work()
    >>> work.step("scores", torch.tensor([3.2, 5.1, -1.7]))
    >>> work.expect("loss", 2.9, max(0, 5.1 - 3.2 + 1) + max(0, -1.7 - 3.2 + 1))
    >>> work.claim("the frog costs nothing", -1.7 - 3.2 + 1 < 0)
    >>> [type(entry).__name__ for entry in work.entries], work.holds
    (['Step', 'Number', 'Claim'], True)
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self.data_dir = data_dir

    def step(self, name: str, value: Any, how: str = "") -> None:
        self.entries.append(Step(name, _kept(value), how))

    def expect(self, name: str, expected: Any, computed: Any, digits: int = DIGITS) -> None:
        self.entries.append(Number(name, expected, _kept(computed), digits))

    def claim(self, sentence: str, holds: bool | Tensor, seen: str = "") -> None:
        self.entries.append(Claim(sentence, bool(holds), seen))

    def slip(self, sentence: str, *, slide: Any, right: Any) -> None:
        self.entries.append(Slip(sentence, _kept(slide), _kept(right)))

    def ask(self, text: str, answer: Any, mistakes: Mapping[str, Any] | None = None, digits: int = 3) -> None:
        kept = {why: _kept(wrong) for why, wrong in (mistakes or {}).items()}
        self.entries.append(Question(text, _kept(answer), kept, digits))

    def figure(self, name: str, caption: str, draw: Callable[..., Figure], *args: Any, **kwargs: Any) -> None:
        self.entries.append(Drawing(name, caption, lambda: draw(*args, **kwargs)))

    def pictures(self) -> Pictures:
        """CIFAR-10 where a folder with it was given, else the embedded pictures; which of them, the row then says."""
        from experiments.lessons.pictures import load

        pictures = load(self.data_dir)
        self.step("pictures", pictures.source)
        return pictures

    @property
    def holds(self) -> bool:
        return all(e.holds for e in self.entries if isinstance(e, Number | Claim))

    @property
    def failures(self) -> list[Number | Claim]:
        return [e for e in self.entries if isinstance(e, Number | Claim) and not e.holds]

    def of(self, kind: type[Any]) -> list[Any]:
        return [e for e in self.entries if isinstance(e, kind)]


def agree(expected: Any, computed: Any, digits: int = DIGITS) -> bool:
    """Whether both are alike when rounded to ``digits`` after the point; text and counts must be equal.

    >>> agree([0.761594, 1], torch.tensor([0.7615941, 1.0])), agree(0.761594, 0.761596)
    (True, False)
    """
    if isinstance(expected, str | bool):
        return expected == computed
    wanted, found = (torch.as_tensor(v, dtype=torch.float64) for v in (expected, computed))
    # Half a unit of the last digit, and what two roundings of a binary fraction may add.
    return wanted.shape == found.shape and torch.allclose(wanted, found, rtol=0, atol=0.51 * 10.0**-digits)


def _kept(value: Any) -> Any:
    """The value as it is now: rows train on, and change tensors in place."""
    return value.detach().clone() if isinstance(value, Tensor) else value

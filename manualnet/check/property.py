"""What a property is: a claim, a test of it, and what a test says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manualnet.check.subject import Subject


class Fault(Exception):
    """The property does not hold: what is wrong and how to mend it, a sentence each."""

    def __init__(
        self, wrong: str, mend: str, *, where: str = "", error: float | None = None, bound: float | None = None
    ) -> None:
        super().__init__(wrong)
        self.wrong, self.mend, self.where, self.error, self.bound = wrong, mend, where, error, bound


class DoesNotApply(Exception):
    """The property says nothing of this function; the message says why."""


@dataclass(frozen=True)
class Evidence:
    """The numbers behind a property that holds."""

    error: float | None = None
    bound: float | None = None
    where: str = ""
    why: str = ""


@dataclass(frozen=True)
class Property:
    """A claim about a function. ``test`` returns evidence, raises ``Fault`` or ``DoesNotApply``; any other exception
    is a failure too, and ``mend`` says what to do about it."""

    name: str
    claim: str
    mend: str
    test: "Callable[[Subject], Evidence]"


def claims(claim: str, mend: str) -> "Callable[[Callable[[Subject], Evidence]], Property]":
    """Make a test a property, named as the test is."""

    def make(test: "Callable[[Subject], Evidence]") -> Property:
        return Property(test.__name__.strip("_").replace("_", " "), claim, mend, test)

    return make


def short(error: BaseException) -> str:
    """An exception in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'without a message'}"

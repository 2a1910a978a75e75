"""A user's mistake on the command line, and what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


class Mistake(Exception):
    """Says in one line what is wrong, what came, and what to do; it is shown without a traceback."""


def meant(word: str, known: Iterable[str]) -> str:
    """A question for the known word that is closest, if one is close.

    >>> meant("sigmiod", ["sigmoid", "relu"])
    "; did you mean 'sigmoid'?"
    """
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

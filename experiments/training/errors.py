"""What can go wrong without a fault in the program: each message is one line, made to be printed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UsageError(Exception):
    """What was asked for cannot be done here, and what to ask for instead."""


class DataError(UsageError):
    """The data is missing, damaged or unreachable, and what to do about it."""


class Unreachable(DataError):
    """Nobody answered, or the connection broke: there is no network to speak of."""


class Refused(DataError):
    """There was an answer, and it was no: the address is wrong or its server will not give the file."""


@contextmanager
def reported() -> Iterator[None]:
    """A mistake of the user's ends the program with its line and status 2, an interruption with 130."""
    try:
        yield
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

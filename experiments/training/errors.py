"""What can go wrong without a fault in the program: each message is one line, made to be printed."""


class UsageError(Exception):
    """What was asked for cannot be done here, and what to ask for instead."""


class DataError(UsageError):
    """The data is missing, damaged or unreachable, and what to do about it."""


class Unreachable(DataError):
    """Nobody answered, or the connection broke: there is no network to speak of."""


class Refused(DataError):
    """There was an answer, and it was no: the address is wrong or its server will not give the file."""

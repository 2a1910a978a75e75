"""Calls of the penalties."""

from manualnet.check.spec import Sample
from manualnet.specs.draws.draw import Draw


def penalty(d: Draw) -> Sample:
    """One tensor or several, of one type or of several."""
    return Sample(tuple(d.tensor(d.shape(), dtype=d.other_dtype()) for _ in range(d.integer(1, 3))))


def weighted_penalty(d: Draw) -> Sample:
    return Sample(penalty(d).args, {"beta": d.number(-1, 2)})

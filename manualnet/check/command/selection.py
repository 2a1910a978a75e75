"""Which functions and which properties the command line names."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from manualnet.check.command.mistake import Mistake, meant
from manualnet.check.properties import PROPERTIES
from manualnet.check.screen import Screen
from manualnet.specs import SPECS


class Selection(NamedTuple):
    targets: list[str]
    properties: tuple[str, ...]


def select(targets: Sequence[str], only: Iterable[str] = (), skip: Iterable[str] = ()) -> Selection:
    """What to check of what; all of manualnet if no target is named.

    Args:
        targets: functions of manualnet, or others as ``module:name`` and ``path.py:name``.
        only: names of properties and functions, several with commas; without one of a kind, all of that kind.
        skip: the same, of what to leave out.

    Raises:
        Mistake: a name is unknown, or nothing is left.

    >>> select([], only=["sigmoid,relu", "numeric-gradient"])
    Selection(targets=['relu', 'sigmoid'], properties=('numeric gradient',))
    """
    for target in targets:
        if target not in SPECS and _property(target) in PROPERTIES:
            raise Mistake(f"{target} is a property: write --only {target}, with a comma between several")
    functions, properties = _sorted_out("--only", only, targets)
    no_functions, no_properties = _sorted_out("--skip", skip, targets)
    left = [t for t in dict.fromkeys(targets or SPECS) if (not functions or t in functions) and t not in no_functions]
    kept = tuple(p for p in PROPERTIES if (not properties or p in properties) and p not in no_properties)
    if not left or not kept:
        raise Mistake(f"--only and --skip leave no {'property' if left else 'function'} to check")
    return Selection(left, kept)


def _property(word: str) -> str:
    """A property's name as it may be written in a shell, without blanks."""
    return word.strip().lower().replace("-", " ").replace("_", " ")


def _sorted_out(option: str, given: Iterable[str], targets: Sequence[str]) -> tuple[set[str], set[str]]:
    functions, properties = set(), set()
    for word in (w.strip() for names in given for w in names.split(",") if w.strip()):
        if _property(word) in PROPERTIES:
            properties.add(_property(word))
        elif word in SPECS or word in targets:
            functions.add(word)
        else:
            known = [*PROPERTIES, *SPECS]
            hint = meant(_property(word), known) or meant(word, known) or "; --list shows both"
            raise Mistake(f"{option} {word}: no property and no function is called so{hint}")
    return functions, properties


def listing(screen: Screen) -> str:
    """The properties with what they claim, and the functions."""
    names = max(map(len, PROPERTIES)) + 4
    lines = [
        screen.fill(p.claim, f"  {p.name:{names - 2}}", " " * min(names, screen.width // 3))
        for p in PROPERTIES.values()
    ]
    functions = screen.fill(", ".join(SPECS), "  ", "  ")
    return "\n".join([screen.paint("properties", "1"), *lines, "", screen.paint("functions", "1"), functions])

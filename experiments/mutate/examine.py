"""Puts mutants to the proof, several at once, and makes sure that what notices a fault is silent without one."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from experiments.mutate.forks import Done, Forks
from experiments.mutate.mutants import Mutant
from experiments.mutate.proof import Catch

_RECENT = 8  # tests asked before all others


class ProofLike(Protocol):
    def find(self, mutant: Mutant, recent: Sequence[str]) -> Catch | None: ...

    def holds(self, file: str, catch: Catch) -> bool: ...


class FailsAnyway(Exception):
    """A check fails on the source as it is."""


@dataclass(frozen=True)
class Verdict:
    """What the proof says of a mutant: what noticed it, None if nothing did."""

    mutant: Mutant
    catch: Catch | None
    seconds: float


def examine(
    mutants: Iterable[Mutant],
    proof: ProofLike,
    jobs: int,
    timeout: float,
    caught: Iterable[tuple[Mutant, Catch]] = (),
) -> Iterator[Verdict]:
    """The verdicts as they come. A child that dies or takes longer than ``timeout`` seconds has noticed its mutant.

    ``caught`` are others that have been caught before.

    Raises:
        FailsAnyway: a check that noticed a mutant fails without it too.
    """
    waiting = deque(mutants)
    controls: deque[tuple[str, Catch]] = deque()
    controlled: set[tuple[str, Catch]] = set()
    # A test that noticed one fault of a file is likely to notice the next.
    recent: defaultdict[str, list[str]] = defaultdict(list)
    for mutant, catch in caught:
        _remember(recent[mutant.file], catch)
    with Forks(jobs, timeout) as forks:
        while waiting or controls or forks.busy:
            while (waiting or controls) and not forks.full:
                if controls:
                    control = controls.popleft()
                    forks.start(control, partial(proof.holds, *control))
                else:
                    mutant = waiting.popleft()
                    forks.start(mutant, partial(proof.find, mutant, recent[mutant.file][-_RECENT:]))
            done = forks.wait()
            if not isinstance(done.tag, Mutant):
                _confirm(done)
                continue
            catch = Catch(done.died, "") if done.died else done.result
            yield Verdict(done.tag, catch, round(done.seconds, 2))
            if catch:
                _remember(recent[done.tag.file], catch)
            if catch and (control := (_scope(done.tag, catch), catch)) not in controlled:
                controlled.add(control)
                controls.append(control)


def _remember(tests: list[str], catch: Catch) -> None:
    """The test that noticed last comes last."""
    if catch.stage == "test":
        tests[:] = [*(t for t in tests if t != catch.check), catch.check]


def _scope(mutant: Mutant, catch: Catch) -> str:
    """The file that a control is about; none where the check is the same for all files."""
    return "" if catch.stage in ("engine", "test") else mutant.file


def _confirm(done: Done) -> None:
    file, catch = done.tag
    if done.died or not done.result:
        raise FailsAnyway(f"{catch} fails {f'for {file} ' if file else ''}without any fault planted; mend that first")

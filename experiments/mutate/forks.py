"""Work done in forked children, a few at a time: what a child breaks, leaks or hangs in stays its own."""

import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any


@dataclass(frozen=True)
class Done:
    """What became of a piece of work: its result, or how its child died."""

    tag: Any
    result: Any
    died: str
    seconds: float


@dataclass(frozen=True)
class _Child:
    tag: Hashable
    pid: int
    start: float


class Forks:
    """At most ``jobs`` children at once, each killed with its own children after ``timeout`` seconds of work.

    A child that does not even work, which a machine that is busy or asleep keeps others from too, gets ten times as
    long. POSIX only. Nothing may run a second thread before it forks.
    """

    def __init__(self, jobs: int, timeout: float) -> None:
        self.jobs, self.timeout = jobs, timeout
        self.children: dict[Connection, _Child] = {}

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *_) -> None:
        for reader, child in self.children.items():
            _kill(child.pid)
            reader.close()
        self.children.clear()

    @property
    def busy(self) -> bool:
        return bool(self.children)

    @property
    def full(self) -> bool:
        return len(self.children) >= self.jobs

    def start(self, tag: Hashable, work: Callable[[], Any]) -> None:
        """Fork a child that does ``work``, whose result must be picklable."""
        sys.stdout.flush()
        sys.stderr.flush()
        reader, writer = Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            _be_a_child(writer, work, math.ceil(self.timeout))
        writer.close()
        self.children[reader] = _Child(tag, pid, time.monotonic())

    def wait(self) -> Done:
        """The next child that ends. An exception that ``work`` raised there is raised here."""
        while True:
            patience = 10 * self.timeout
            oldest = min(child.start for child in self.children.values())
            ready = wait(list(self.children), max(0.0, oldest + patience - time.monotonic()))
            for reader in ready:
                assert isinstance(reader, Connection)
                return self._end(reader)
            for reader, child in self.children.items():
                if time.monotonic() - child.start >= patience:
                    return self._end(reader, late=True)

    def _end(self, reader: Connection, late: bool = False) -> Done:
        child = self.children.pop(reader)
        result = error = None
        died = "timeout" if late else ""
        if not late:
            try:
                error, result = reader.recv()
            except EOFError:
                died = "crash"
        reader.close()
        if _kill(child.pid) == signal.SIGXCPU:
            died = "timeout"
        if error:
            raise RuntimeError(f"in the child for {child.tag}:\n{error}")
        return Done(child.tag, result, died, time.monotonic() - child.start)


def _be_a_child(writer: Connection, work: Callable[[], Any], seconds: int) -> None:
    import resource  # which Windows lacks

    os.setsid()  # a group of its own, to be killed as a whole
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 60))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    answer: tuple[str | None, Any]
    try:
        answer = None, work()
    except BaseException:
        answer = traceback.format_exc(), None
    writer.send(answer)
    os._exit(0)


def _kill(pid: int) -> int:
    """End a child and its children; the signal that it had died of already, or dies of now."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # gone already, or not yet a group of its own
        os.kill(pid, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(pid, 0)[1])

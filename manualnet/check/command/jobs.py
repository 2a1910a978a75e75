"""Proves many specs in processes of their own: what crashes one of them is reported, and the others go on."""

import contextlib
import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait

import torch
from tqdm import tqdm

from manualnet.check.command.request import Request
from manualnet.check.engine import chosen, prove
from manualnet.check.report import Report, Result
from manualnet.check.spec import Spec

Each = Callable[[str, Result], object]


def prove_all(targets: Sequence[str], request: Request, jobs: int, each: Each) -> list[Report]:
    """The reports of all targets, in their order.

    Args:
        targets: what :func:`manualnet.check.command.load.find` takes.
        request: what is asked about each of them.
        jobs: how many processes; one job, or one target, is proved in this process.
        each: is given every result, with its target, when it is there.

    Raises:
        Mistake: a target cannot be checked; raised before anything is proved.
    """
    specs = {target: request.spec(target) for target in targets}
    jobs = min(jobs, len(specs))
    if jobs == 1:
        return [prove(spec, request.properties, each=partial(each, target)) for target, spec in specs.items()]
    # The longest first, so that none is left to one process when the others have finished.
    waiting = deque(sorted(specs, key=lambda target: _size(specs[target]), reverse=True))
    reports: dict[str, Report] = {}
    busy: dict[Connection, _Worker] = {}
    idle = [_Worker(request) for _ in range(jobs)]
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                worker = idle.pop() if idle else _Worker(request)
                worker.begin(waiting.popleft())
                busy[worker.pipe] = worker
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                message = worker.hear()
                if isinstance(message, Result):
                    each(worker.target, message)
                    continue
                del busy[worker.pipe]
                if message is None:
                    message = worker.crashed(specs[worker.target].name)
                else:
                    idle.append(worker)
                reports[worker.target] = message
    finally:
        for worker in busy.values():
            worker.process.kill()
        for worker in idle:
            worker.end()
    return [reports[target] for target in specs]


def _size(spec: Spec) -> int:
    """About how long a proof takes: elements are moved one by one."""
    try:
        samples = spec.samples(torch.Generator().manual_seed(0)) if callable(spec.samples) else spec.samples
        return sum(t.numel() for sample in samples for t in sample.inputs)
    except Exception:
        return 0  # the proof will say what is wrong


class _Worker:
    """A process that proves one target after another."""

    def __init__(self, request: Request) -> None:
        # Spawned, not forked: torch's threads and locks do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self.request = request
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, request), daemon=True)
        # A child inherits that interrupts are ignored; Ctrl-C is for the parent, which then ends its children.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()  # else the end of the child would not end the pipe

    def begin(self, target: str) -> None:
        self.target = target
        self.results: list[Result] = []
        with contextlib.suppress(OSError):  # it has died; hear() will tell
            self.pipe.send(target)

    def hear(self) -> Result | Report | None:
        """The next result, the report when all are there, or None if the process has died."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if isinstance(message, Result):
            self.results.append(message)
        return message

    def end(self) -> None:
        """Let an idle process end by itself, which it does when nobody can send it anything any more."""
        self.pipe.close()
        self.process.join(5)
        self.process.kill()

    def crashed(self, name: str) -> Report:
        """A report that says what was being checked when the process died."""
        self.process.join()
        code = self.process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        prop = chosen(self.request.properties)[len(self.results)].name
        wrong = f"the process that checked it ended with {how}."
        again = f"python -m manualnet.check {self.target} --only {prop.replace(' ', '-')}"
        return Report(name, (*self.results, Result(prop, "failed", wrong=wrong, mend=f"See where: {again}")))


def _work(pipe: Connection, request: Request) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    sys.stdout = sys.stderr  # what the function prints is no part of the result
    # The compiler has bars of its own, never shown; their lock is a semaphore that would outlive a killed process.
    tqdm.set_lock(threading.RLock())
    try:
        while True:
            pipe.send(prove(request.spec(pipe.recv()), request.properties, each=pipe.send))
    except EOFError:
        return  # the parent is gone

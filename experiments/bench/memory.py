"""How much memory a piece of work needs at its height: in tensors, and of the whole process."""

import ctypes
from collections.abc import Callable, Iterable
from pathlib import Path

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class LiveTensors(TorchDispatchMode):
    """Inside the context, follows the bytes of all tensors that are alive; ``peak`` is their height.

    What is alive already counts if it is given. A kernel's own scratch memory is no tensor and is not seen.

    >>> import torch
    >>> x = torch.ones(1000)  # 4000 bytes
    >>> with LiveTensors([x]) as live:
    ...     y = x.exp()
    ...     z = (y + 1).sum()  # y + 1 lives until it is summed
    >>> live.peak, live.now()
    (12004, 8004)
    """

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self._add(held)
        self.start = self.peak = self.now()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self._add(t for t in pytree.tree_leaves(result) if isinstance(t, Tensor))
        self.peak = max(self.peak, self.now())
        return result

    def _add(self, tensors: Iterable[Tensor]) -> None:
        for t in tensors:
            storage = t.untyped_storage()
            # A reference keeps the number from being given to another storage, so the number names it.
            self._alive.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))

    def now(self) -> int:
        self._alive = {at: (ref, n) for at, (ref, n) in self._alive.items() if not ref.expired()}
        return sum(n for _, n in self._alive.values())


def resident(work: Callable[[], object]) -> int | None:
    """Bytes by which the process grows at most while working; None where the system does not tell (Linux does).

    Memory that malloc keeps is given back first, so that the work has to ask for its own. What kernels need for
    themselves is seen here, and what malloc loses to fragments.
    """
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        ctypes.CDLL(None).malloc_trim(0)
        forget.write_text("5")  # the height so far
        before = _kilobytes(status, "VmRSS")
        work()
        return max(0, _kilobytes(status, "VmHWM") - before) * 1024
    except (OSError, AttributeError, TypeError):
        return None


def _kilobytes(status: Path, name: str) -> int:
    [line] = [line for line in status.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])

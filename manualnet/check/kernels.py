"""Records the kernels that a rule runs, and tells which of them do nothing for what it returns."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class Kernel(NamedTuple):
    name: str
    elements: int  # of the largest tensor that it reads or writes
    reads: frozenset[int]  # memory
    writes: frozenset[int]
    observed: bool  # it gave a number to Python, which may have decided anything


class Kernels(TorchDispatchMode):
    """Inside the context, records every kernel that computes; one that only gives another view does not."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[Kernel] = []
        self._kept: list[Tensor] = []  # memory that is not freed is not given to another tensor

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        taken, given = _tensors((args, kwargs)), _tensors(result)
        self._kept += given
        reads = frozenset(map(memory, taken))
        mutable = [
            a for a, s in zip(args, func._schema.arguments, strict=False) if s.alias_info and s.alias_info.is_write
        ]
        written = _tensors((mutable, (kwargs or {}).get("out")))
        writes = frozenset(map(memory, given)) - reads | frozenset(map(memory, written))
        if writes or not given:
            elements = max((t.numel() for t in (*taken, *given)), default=0)
            self.ran.append(Kernel(func.name(), elements, reads, writes, observed=not given and not written))
        return result

    def idle(self, returned: Iterable[Tensor]) -> "Counter[tuple[str, int]]":
        """Names and sizes of the kernels whose results reach none of ``returned``, by walking back from it."""
        live = set(map(memory, returned))
        found: Counter[tuple[str, int]] = Counter()
        for kernel in reversed(self.ran):
            if kernel.observed or kernel.writes & live:
                live |= kernel.reads
            else:
                found[kernel.name, kernel.elements] += 1
        return found


def _tensors(tree: Any) -> list[Tensor]:
    return [t for t in pytree.tree_leaves(tree) if isinstance(t, Tensor)]


def memory(t: Tensor) -> int:
    """Tells whether two tensors share memory, as long as both live."""
    return t.untyped_storage()._cdata

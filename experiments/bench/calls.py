"""One call of a function, manual against its twin: forward, backward, and what is kept in between."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from experiments.bench.timing import Effort, Race, Side, race
from manualnet.check.calls import call, cotangents, floats
from manualnet.check.properties.memory import Kept, kept_by
from manualnet.check.spec import Sample
from manualnet.specs import SPECS

Context = Callable[[], AbstractContextManager]


@dataclass(frozen=True)
class Call:
    """What is measured: a function of manualnet, and tensors to call it with."""

    function: str
    dtype: str
    bytes: int  # of the first tensor, about
    sample: Sample
    label: str = ""
    context: Context = nullcontext  # around the forward pass
    summed: bool = False  # the cotangent is that of a sum, one number for all

    @classmethod
    def of(
        cls,
        function: str,
        sample: Sample,
        label: str = "",
        context: Context = nullcontext,
        size: int | None = None,
        summed: bool = False,
    ) -> "Call":
        first = sample.tensors[0]
        bytes_ = first.nbytes if size is None else size
        return cls(function, str(first.dtype).removeprefix("torch."), bytes_, sample, label, context, summed)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.sample.tensors[0].shape)


@dataclass(frozen=True)
class Measured:
    """A call and what it took."""

    call: Call
    race: Race
    manual: Kept
    twin: Kept

    def record(self) -> dict:
        """As JSON has it."""
        call = self.call
        return {
            "function": call.function,
            "label": call.label,
            "dtype": call.dtype,
            "shape": call.shape,
            "bytes": call.bytes,
            **self.race.record(),
            "kept": {"manual": self.manual._asdict(), "twin": self.twin._asdict()},
        }


def measure(call: Call, effort: Effort) -> Measured:
    """Race the function against its twin on the same tensors."""
    spec = SPECS[call.function]
    manual, twin = _within(spec.function, call.context), _within(spec.reference, call.context)
    laps = race(_side(manual, call.sample, call.summed), _side(twin, call.sample, call.summed), effort)
    return Measured(call, laps, kept_by(manual, call.sample), kept_by(twin, call.sample))


def _within(function: Callable, context: Context) -> Callable:
    def run(*args, **kwargs):
        with context():
            return function(*args, **kwargs)

    return run


def _side(function: Callable, sample: Sample, summed: bool = False) -> Side:
    inputs = sample.inputs
    values = [v for v in floats(call(function, sample)) if v.requires_grad]
    if summed:
        upstream = [v.new_ones(()).expand(v.shape) for v in values]
    else:
        # Laid out as the result is: a cotangent that the next layer gives.
        upstream = [torch.empty_like(v).copy_(g) for v, g in zip(values, cotangents(values), strict=True)]
    del values

    def lap() -> Iterator[str]:
        result = function(*sample.args, **sample.kwargs)
        yield "forward"
        grads = torch.autograd.grad(result, inputs, upstream, allow_unused=True)
        yield "backward"
        del grads

    return lap

"""The calls that the models make: every function of a training step, with the tensors that it gets there."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps

from torch import Tensor
from torch.utils import _pytree as pytree

from experiments.bench.calls import Call
from experiments.bench.models import CPU, Step
from experiments.training.config import Config
from experiments.training.device import autocast
from manualnet import functional
from manualnet.check.spec import Sample
from manualnet.specs import SPECS


def calls(config: Config, precision: str) -> list[Call]:
    """The calls of one step, each kind once: same function, shapes, types and layouts are one kind.

    They are made in the number type of the step; under autocast weights stay float32, as in training.
    """
    found: dict[str, Call] = {}
    with _watched(found, config.model, partial(autocast, precision, CPU)):
        Step(config, precision, "manual")()
    return list(found.values())


@contextmanager
def _watched(found: dict[str, Call], model: str, context) -> Iterator[None]:
    """Inside, functions of ``manualnet.functional`` that are called by that name note it in ``found``."""
    kept = {name: getattr(functional, name) for name in SPECS}

    def watched(name: str):
        @wraps(kept[name])
        def note(*args, **kwargs):
            sample = Sample(args, kwargs)
            if sample.inputs:
                call = Call.of(name, sample.map(_leaf), model, context)
                found.setdefault(f"{name} {_kind(sample)}", call)
            return kept[name](*args, **kwargs)

        return note

    try:
        for name in kept:
            setattr(functional, name, watched(name))
        yield
    finally:
        for name, function in kept.items():
            setattr(functional, name, function)


def _leaf(t: Tensor) -> Tensor:
    """The same memory without the graph behind it."""
    return t.detach().requires_grad_(t.requires_grad)


def _kind(sample: Sample) -> str:
    def form(leaf) -> str:
        if isinstance(leaf, Tensor):
            return f"{tuple(leaf.shape)} {leaf.stride()} {leaf.dtype} {leaf.requires_grad}"
        return repr(leaf)

    return "; ".join(map(form, pytree.tree_leaves((sample.args, sample.kwargs))))

"""A function under check, with its samples made ready."""

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from manualnet.check.calls import SEED, call, fresh, seed, value_and_gradients
from manualnet.check.numeric import off_kinks
from manualnet.check.property import DoesNotApply, short
from manualnet.check.spec import Kink, Sample, Spec, called
from manualnet.handwritten import nodes, rule_of


class Setting(NamedTuple):
    """What PyTorch keeps for the whole program, and a Function has no business with."""

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], Any]


SETTINGS = (
    Setting("the default type", torch.get_default_dtype, torch.set_default_dtype),
    Setting("the number of threads", torch.get_num_threads, torch.set_num_threads),
)


class Subject:
    """What properties see of a spec. Everything costly is made once."""

    def __init__(self, spec: Spec, asked: Collection[str] = ()) -> None:
        self.spec = spec
        self.asked = asked  # properties that were asked for by name
        self.name = spec.name
        self.function: Callable = called(spec.function)
        self.notes: list[str] = []
        self._settings = {setting: setting.get() for setting in SETTINGS}

    @cached_property
    def given(self) -> list[Sample]:
        """The samples as they came, labelled, in float64."""
        made = _labelled(self.spec.samples)
        if not made:
            raise ValueError(f"{self.name}: a spec needs at least one sample.")
        if not any(s.inputs for s in made):
            made = [differentiable(s) for s in made]
        return [self._wide(s) for s in made]

    @cached_property
    def large(self) -> list[Sample]:
        """Samples of the size of real work, in float64."""
        return [self._wide(s) for s in _labelled(self.spec.large)]

    def _wide(self, sample: Sample) -> Sample:
        """The sample with its floating tensors in float64, in which a difference of two values means something."""
        narrow = {t.dtype for t in sample.tensors if t.is_floating_point() and t.dtype != torch.float64}
        if not narrow:
            return sample
        names = ", ".join(sorted(str(d).removeprefix("torch.") for d in narrow))
        note = f"inputs came in {names}; derivatives are checked on float64 copies of them"
        if note not in self.notes:
            self.notes.append(note)

        def widen(t: Tensor) -> Tensor:
            if not t.is_floating_point():
                return t
            return t.detach().double().requires_grad_(t.requires_grad)

        return sample.map(widen)

    @cached_property
    def samples(self) -> list[Sample]:
        """The samples, with elements that lie at a kink or a tie moved off it."""
        moved = [off_kinks(self.function, s) for s in self.given]
        count = sum(n for _, n in moved)
        if count:
            verb = "elements of the samples lay" if count > 1 else "element of the samples lay"
            self.notes.append(f"{count} {verb} on or near a kink or a tie, and moved off it before differentiating")
        return [s if n else given for (s, n), given in zip(moved, self.given, strict=True)]

    @cached_property
    def first(self) -> list[list[Tensor]]:
        """Values and gradients at each sample, from when they were asked for first."""
        return [[t for ts in value_and_gradients(self.function, s) for t in ts] for s in self.samples]

    def few(self, count: int) -> list[Sample]:
        """Some of the samples that have elements to differentiate, spread evenly, for properties that take long."""
        full = [s for s in self.samples if s.inputs and all(t.numel() for t in s.tensors)] or self.samples
        return [full[i * len(full) // min(count, len(full))] for i in range(min(count, len(full)))]

    @property
    def reference(self) -> Callable:
        """The reference, for properties that compare with it."""
        if self.spec.reference is None:
            raise DoesNotApply("there is no reference to compare with")
        return called(self.spec.reference)

    @property
    def kinks(self) -> list[Kink]:
        kinks = self.spec.kinks
        return list(kinks() if callable(kinks) else kinks)

    @property
    def extremes(self) -> list[Sample]:
        extremes = self.spec.extremes
        return list(extremes() if callable(extremes) else extremes)

    @cached_property
    def rules(self) -> list[type[torch.autograd.Function]]:
        """The ``torch.autograd.Function`` classes that the graph of the samples goes through."""
        found: dict[type, None] = {}
        for sample in self.samples:
            result = call(self.function, fresh(sample))
            for node in nodes(t for t in _tensors(result) if t.requires_grad):
                cls = rule_of(node)
                if cls is not None:
                    found[cls] = None
        return list(found)

    @cached_property
    def draws(self) -> bool:
        """Whether a call draws from PyTorch's generator, declared or not."""
        seed()
        before = torch.default_generator.get_state()
        sample = fresh(self.given[0])
        self.function(*sample.args, **sample.kwargs)
        return self.spec.random or not torch.equal(before, torch.default_generator.get_state())

    @cached_property
    def broken(self) -> str:
        """What backward raises at a sample as it came, in one line; nothing if it runs."""
        return next(filter(None, (_raised(self.function, s) for s in self.given)), "")

    def restore_settings(self) -> list[Setting]:
        """Put PyTorch's settings back; those that had been changed."""
        changed = [setting for setting, before in self._settings.items() if setting.get() != before]
        for setting in changed:
            setting.put(self._settings[setting])
        return changed

    @cached_property
    def is_right(self) -> bool:
        """Whether value and gradient are the reference's at the samples: if not, they are wrong anywhere."""

        def near(a: Tensor, b: Tensor) -> bool:
            return a.shape == b.shape and torch.allclose(a, b.to(a.dtype), rtol=1e-10, atol=1e-10, equal_nan=True)

        for sample in self.samples:
            pairs = zip(*(value_and_gradients(f, sample) for f in (self.function, self.reference)), strict=True)
            if not all(len(ours) == len(theirs) and all(map(near, ours, theirs)) for ours, theirs in pairs):
                return False
        return True

    @cached_property
    def is_flat(self) -> bool:
        """Whether every gradient of every sample is 0, so that nothing can be learnt from a multiple of it."""
        return all(not g.any() for s in self.samples for g in value_and_gradients(self.function, s)[1])


def differentiable(sample: Sample) -> Sample:
    """The sample, with every floating tensor requiring a gradient if none does."""
    if not sample.tensors:
        raise ValueError("there is no tensor to check with; pass the function's arguments after it.")
    if any(t.is_complex() for t in sample.tensors):
        raise ValueError(
            "complex inputs are not differentiated: check the function of real numbers, as in "
            "lambda x: torch.view_as_real(F.apply(torch.view_as_complex(x)))."
        )
    if sample.inputs:
        return sample
    if not any(t.is_floating_point() for t in sample.tensors):
        kinds = ", ".join(sorted({str(t.dtype).removeprefix("torch.") for t in sample.tensors}))
        raise ValueError(f"no input can be differentiated: the tensors are {kinds}, a floating one is needed.")
    return sample.map(lambda t: t.detach().requires_grad_(t.is_floating_point()))


def _raised(function: Callable, sample: Sample) -> str:
    try:
        value_and_gradients(function, sample)
    except Exception as error:
        return short(error)
    return ""


def _labelled(samples: Sequence[Sample] | Callable[[torch.Generator], list[Sample]]) -> list[Sample]:
    made = list(samples(torch.Generator().manual_seed(SEED)) if callable(samples) else samples)
    return [
        Sample(s.args, s.kwargs, f"sample {s.label!r}" if s.label else f"sample {i}" if len(made) > 1 else "")
        for i, s in enumerate(made)
    ]


def _tensors(result) -> list[Tensor]:
    return [t for t in torch.utils._pytree.tree_leaves(result) if isinstance(t, Tensor)]

"""Runs properties on a function and collects what they say."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch

from manualnet.check.advice import LEAF, advice
from manualnet.check.calls import call, fresh
from manualnet.check.properties import PROPERTIES, deterministic
from manualnet.check.property import DoesNotApply, Fault, Property, short
from manualnet.check.report import Report, Result
from manualnet.check.spec import Kink, Sample, Spec
from manualnet.check.subject import Subject, differentiable

FORWARD = "Mend the forward first."
SAMPLES = "Mend the samples of the spec first."
DOUBLE = (
    "It runs in float32, but derivatives are checked in float64: let it take any floating type, and turn to float64 "
    "what it holds beside its arguments, as module.double() does."
)
# Properties that have something to say of a backward that does not run at all.
TELLING = ("value", "gradient", "numeric gradient", "broadcasting", "gradient form", "hand written")


def check(
    function: Any,
    *inputs: Any,
    reference: Any = None,
    kwargs: dict[str, Any] | None = None,
    samples: Sequence[Sample] = (),
    kinks: Sequence[Kink] = (),
    extremes: Sequence[Sample] = (),
    random: bool = False,
    hand_written: bool = False,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    name: str | None = None,
) -> Report:
    """Check a function of tensors, property by property: its value, its gradient, and what of PyTorch it composes with.

    Args:
        function: a ``torch.autograd.Function`` subclass, or any differentiable function of tensors.
        inputs: its arguments. The floating tensors that require a gradient are differentiated; all of them if none
            does. Derivatives are checked in float64, on copies if the inputs are narrower. Elements at a kink or a tie
            are moved off it, and tested there against the reference's convention.
        reference: the same function differentiated by PyTorch; properties that need it do not apply without it.
        kwargs: keyword arguments of ``function`` and of ``reference``.
        samples: more calls to check.
        kinks: points where the derivative is a convention, and the gradients expected there.
        extremes: calls with numbers as large as the domain allows.
        random: the function draws from PyTorch's generator.
        hand_written: the gradient is meant to run neither PyTorch's backward kernels nor autograd.
        only: names of properties; the others are left out. ``manualnet.check.PROPERTIES`` has them all.
        skip: names of properties to leave out, as "numeric gradient" and "forward mode" where the gradient is meant to
            be another one, as a straight-through estimator's.
        name: what the report calls the function; its own name by default.

    Returns:
        A :class:`Report`: print it, ask ``report.passed``, or call ``report.raise_for_failures()`` in a test.

    Raises:
        ValueError: there is neither an input nor a sample, no input can be differentiated or one is complex, or a
            property is unknown.

    >>> import torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(x):
    ...         return x * x
    ...     @staticmethod
    ...     def setup_context(ctx, inputs, output):
    ...         ctx.save_for_backward(*inputs)
    ...     @staticmethod
    ...     def backward(ctx, grad_out):
    ...         return grad_out * ctx.saved_tensors[0]
    >>> report = check(Square, torch.randn(3, 4), reference=torch.square, only=["gradient"])
    >>> print(report["gradient"].wrong.partition("; ")[2])
    it is 0.5, that is 1/2 times the right one: a factor is missing or too many.
    """
    calls = [Sample(tuple(inputs), kwargs or {})] if inputs or not samples else []
    spec = Spec(
        name or str(getattr(function, "__name__", type(function).__name__)),
        function,
        [differentiable(s) for s in (*calls, *samples)],
        reference,
        kinks,
        extremes,
        random=random,
        hand_written=hand_written,
    )
    return prove(spec, only, skip)


def prove(
    spec: Spec,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    stop_early: bool = False,
    each: Callable[[Result], object] | None = None,
) -> Report:
    """Check what a spec describes. ``stop_early`` ends at the first property that fails; ``each`` is given every
    result when it is there."""
    properties = chosen(only, skip)
    # Who names every property asks for none in particular.
    subject = Subject(spec, [p.name for p in properties] if only and len(properties) < len(PROPERTIES) else ())
    results: list[Result] = []
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.enable_grad(), _kept_settings(subject):
        warnings.simplefilter("ignore")
        try:
            given = subject.given
        except Exception as error:
            wrong = f"making the samples raises {short(error)}"
            return Report(spec.name, (Result("value", "failed", wrong=wrong, mend=SAMPLES),))
        try:
            for sample in given:
                call(subject.function, fresh(sample))
        except Exception as error:
            wrong = f"the call itself raises {short(error)}"
            return Report(spec.name, (Result("value", "failed", wrong=wrong, mend=_runs(subject, error)),))
        if deterministic in properties:
            # State that builds up shows in what comes later.
            with suppress(Exception):
                _ = subject.first
        for prop in properties:
            results.append(_result(prop, subject))
            if each:
                each(results[-1])
            if stop_early and results[-1].failed:
                break
    return Report(spec.name, tuple(results), tuple(subject.notes))


@contextmanager
def _kept_settings(subject: Subject) -> Iterator[None]:
    """PyTorch's settings are those of before, whatever a function does to them."""
    try:
        yield
    finally:
        subject.restore_settings()


def _runs(subject: Subject, error: Exception) -> str:
    """How to come to a call that runs."""
    if subject.notes:
        try:
            for sample in subject.given:
                call(subject.function, fresh(sample.map(lambda t: t.detach().float() if t.is_floating_point() else t)))
        except Exception:
            return FORWARD
        return DOUBLE
    return LEAF if "a leaf Variable" in str(error) else FORWARD


def chosen(only: Iterable[str] = (), skip: Iterable[str] = ()) -> list[Property]:
    """The properties of these names, in the order in which they are checked."""
    only, skip = [only] if isinstance(only, str) else list(only), [skip] if isinstance(skip, str) else list(skip)
    for name in (*only, *skip):
        if name not in PROPERTIES:
            raise ValueError(f"no property is called {name!r}; there are {', '.join(PROPERTIES)}.")
    return [p for p in PROPERTIES.values() if (not only or p.name in only) and p.name not in skip]


def _result(prop: Property, subject: Subject) -> Result:
    start = time.perf_counter()

    def result(status, **found) -> Result:
        return Result(prop.name, status, seconds=round(time.perf_counter() - start, 3), **found)

    try:
        evidence = prop.test(subject)
    except DoesNotApply as reason:
        return result("does not apply", why=str(reason))
    except Exception as error:
        return _failure(prop, subject, error, result)
    return result("passed", error=evidence.error, bound=evidence.bound, where=evidence.where, why=evidence.why)


def _failure(prop: Property, subject: Subject, error: Exception, result: Callable[..., Result]) -> Result:
    if subject.broken and prop.name not in TELLING:
        return result("does not apply", why=f"backward itself raises {subject.broken}")
    if isinstance(error, Fault):
        return result(
            "failed", wrong=error.wrong, mend=error.mend, where=error.where, error=error.error, bound=error.bound
        )
    return result("failed", wrong=f"it raises {short(error)}", mend=advice(error) or prop.mend)

"""Does it run where the data are? Tensors on a pretended GPU tell, and tensors without numbers."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.overrides import TorchFunctionMode

from manualnet.check.attempt import attempt, each, eagerly
from manualnet.check.calls import call, floats, fresh, gradients, of_inputs, value_and_gradients
from manualnet.check.canary import has_rule
from manualnet.check.nodes import call_rule, cotangents_of, rule_name, rule_nodes
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

T = TypeVar("T")
BESIDE = "Make it where the data are: torch.zeros_like(x), x.new_ones(n), torch.arange(n, device=grad_out.device)."
STAY = "Stay with torch's operations; if it must be numpy, go there by .cpu() and come back by .to(x.device)."


@claims("nothing assumes a CPU: it runs on a pretended GPU, forward, backward and forward mode, and on meta", BESIDE)
def device(subject: Subject) -> Evidence:
    def test(sample: Sample) -> None:
        eagerly(lambda: value_and_gradients(subject.function, sample))
        of = f" of {sample.label}" if sample.label else ""
        try:
            with FakeTensorMode(allow_non_fake_inputs=True), _NumpyNeedsCpu():
                _walk(subject, _moved(sample, "cuda"), of)
        except Fault:
            if _brings_tensors(subject, sample):
                raise DoesNotApply("it holds tensors beside its arguments, which nobody moved to the GPU") from None
            raise
        if any(has_rule(cls, "jvp") for cls in subject.rules):
            _forward_mode(subject, sample, of)
        with suppress(DoesNotApply):  # meta refuses more than a GPU does, such as .cpu()
            _followed(f"the whole call{of}", lambda: _whole(subject.function, _moved(sample, "meta")))

    each(subject.samples, test)
    return Evidence(why="followed on a pretended GPU, rule by rule, and on meta")


def _walk(subject: Subject, sample: Sample, of: str) -> None:
    """Forward, and every rule: the engine itself wants a real GPU for its streams."""
    result = _followed(f"forward{of}", lambda: attempt(subject, lambda function: call(function, sample)))
    for y in floats(result):
        _stays(y, f"forward{of} gives a result")
    for node in rule_nodes(result):
        name = f"backward of {rule_name(node)}{of}"
        for g in _followed(name, partial(call_rule, node, cotangents_of(node))):
            # A single number may be on the CPU: the engine moves it.
            if isinstance(g, Tensor) and g.dim():
                _stays(g, f"{name} gives a gradient")


def _brings_tensors(subject: Subject, sample: Sample) -> bool:
    """Whether a module's parameters or a closure's tensors are in the call: like arguments, they go where they are put.

    In a Function nobody can put them elsewhere.
    """
    if isinstance(subject.spec.function, type):
        return False
    with FakeTensorMode(allow_non_fake_inputs=False), suppress(Exception):
        try:
            call(subject.function, _moved(sample, "cuda"))
        except AssertionError as error:
            return "allow_non_fake_inputs" in str(error)
    return False


def _forward_mode(subject: Subject, sample: Sample, of: str) -> None:
    try:
        _tangents(subject.function, fresh(sample))
    except Exception:
        return  # what it raises everywhere is not the device's matter
    with FakeTensorMode(allow_non_fake_inputs=True), _NumpyNeedsCpu():
        for y in _followed(f"jvp{of}", lambda: _tangents(subject.function, _moved(sample, "cuda"))):
            if y.dim():
                _stays(y, f"jvp{of} gives a tangent")


def _tangents(function: Callable, sample: Sample) -> list[Tensor]:
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x.detach(), torch.ones_like(x)) for x in sample.inputs]
        tangents = [forward_ad.unpack_dual(y).tangent for y in floats(of_inputs(function, sample)(*duals))]
    return [t for t in tangents if t is not None]


def _whole(function: Callable, sample: Sample) -> list[Tensor]:
    values = floats(call(function, sample))
    return gradients(values, sample.inputs, [torch.ones_like(v) for v in values])


def _moved(sample: Sample, device: str) -> Sample:
    def move(t: Tensor) -> Tensor:
        there = torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=device)
        return there.requires_grad_(t.requires_grad)

    return sample.map(move)


class _NumpyNeedsCpu(TorchFunctionMode):
    """Refuses to make an array of a tensor on a pretended GPU as a real one would."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (Tensor.numpy, Tensor.__array__) and args[0].device.type != "cpu":
            raise TypeError(f"can't convert {args[0].device} device type tensor to numpy")
        return func(*args, **(kwargs or {}))


def _stays(t: Tensor, what: str) -> None:
    if t.device.type != "cuda":
        raise Fault(f"{what} on the {t.device.type.upper()}, where the inputs are on a GPU.", BESIDE)


def _followed(what: str, run: Callable[[], T]) -> T:
    try:
        return run()
    except DoesNotApply:
        raise
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise DoesNotApply(
            f"{what} reads numbers out of a tensor ({error.func}), as .item(), branches on data and masks do: on a GPU "
            "it waits for them, and a pretended one has none"
        ) from None
    except Exception as error:
        if re.search(r"same device|not on the expected device", str(error)):
            kernel = f" in {error.func}" if hasattr(error, "func") else f": {short(error)}"
            raise Fault(f"{what} mixes a tensor on the CPU with data on another device{kernel}.", BESIDE) from None
        if "to numpy" in str(error):
            raise Fault(f"{what} makes an array of a tensor, which a tensor on a GPU refuses.", STAY) from None
        raise DoesNotApply(f"{what} cannot be followed on pretended devices: {short(error)}") from None

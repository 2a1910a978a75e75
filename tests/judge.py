"""Holds a function against PyTorch's on one call: what the tests on PyTorch's own test metadata share."""

import sys
import warnings
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from unittest import mock

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.utils import _pytree as pytree

from manualnet.check.spec import Sample


@cache
def metadata() -> SimpleNamespace:
    """PyTorch's databases of operators and modules; imported late, as they take time and change global settings."""
    hypothesis = sys.modules.get("hypothesis")
    profile = hypothesis and hypothesis.settings.get_current_profile_name()
    with warnings.catch_warnings(), mock.patch.object(torch.backends, "disable_global_flags"):
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.common_modules import ModuleErrorEnum, module_db
        from torch.testing._internal.common_utils import noncontiguous_like
    if hypothesis:
        hypothesis.settings.load_profile(profile)
    return SimpleNamespace(
        operators=op_db,
        modules=module_db,
        construction=ModuleErrorEnum.CONSTRUCTION_ERROR,
        with_gaps=noncontiguous_like,
    )


def agree(ours: Callable, theirs: Callable, sample: Sample, measure: Callable | None = None) -> None:
    """Both give the same results, to 1e-12 of the largest, or raise the same type of exception."""
    expected, actual = (_outcome(measure or reverse, function, sample) for function in (theirs, ours))
    if isinstance(expected, Exception) or isinstance(actual, Exception):
        what = f"{sample.label}: manualnet gives {actual!r:.300}, PyTorch {expected!r:.300}"
        assert type(actual) is type(expected), what
        return
    assert actual.keys() == expected.keys(), sample.label
    for name, e in expected.items():
        torch.testing.assert_close(
            actual[name],
            e,
            rtol=0,
            atol=1e-12 * _largest(e) if e.is_floating_point() else 0,
            equal_nan=True,
            check_stride=_has_strides(name, e),
            msg=lambda text, name=name: f"{sample.label}: {name}: {text}",
        )


def agree_as_rounded(ours: Callable, theirs: Callable, sample: Sample) -> None:
    """Ours errs, against PyTorch's in float64, at most twice as far as PyTorch's own and what a rounding costs."""
    expected = _outcome(reverse, theirs, sample)
    if isinstance(expected, Exception):
        return agree(ours, theirs, sample)
    wide = sample.map(lambda t: t.detach().double().requires_grad_(t.requires_grad) if t.is_floating_point() else t)
    actual, exact = reverse(ours, sample), reverse(theirs, wide)
    assert actual.keys() == expected.keys() == exact.keys(), sample.label
    for name, e in expected.items():
        where, a = f"{sample.label}: {name}", actual[name]
        assert (a.dtype, a.shape) == (e.dtype, e.shape), where
        assert a.stride() == e.stride() or not _has_strides(name, e), where
        if not e.is_floating_point():
            assert torch.equal(a, e), where
        elif e.numel():
            _assert_as_accurate(a, e, exact[name], where)
    return None


def _has_strides(name: str, t: Tensor) -> bool:
    """Whether strides are part of the behaviour: a value's are, a gradient's and those of nothing are not."""
    return name.startswith("value") and t.numel() > 0


def _largest(t: Tensor) -> float:
    finite = t[t.isfinite()]
    return max(1.0, finite.abs().max().item()) if finite.numel() else 1.0


def _assert_as_accurate(actual: Tensor, theirs: Tensor, exact: Tensor, where: str) -> None:
    info = torch.finfo(actual.dtype)
    actual, theirs, exact = actual.double(), theirs.double(), exact.double()
    size = exact.abs().clamp(min=info.smallest_normal)
    ulp = info.eps * torch.exp2(torch.frexp(size)[1].double() - 1)
    # A result in half precision is rounded once. A sum in float32 is rounded at every step, to units of its largest
    # part, and how the steps fall is luck.
    slack = ulp if info.bits == 16 else 16 * ulp[ulp.isfinite()].max()
    error, their_error = (actual - exact).abs(), (theirs - exact).abs()
    bound = 2 * their_error.where(their_error.isfinite(), torch.zeros(()).double()).max() + slack
    good = (error <= bound) | (actual == theirs) | (actual.isnan() & theirs.isnan())
    worst = (error / bound).where(~good, torch.zeros(()).double())
    assert good.all(), f"{where}: errs {worst.max():.3g} times as far as allowed, PyTorch by {their_error.max():.3g}"


def reverse(function: Callable, sample: Sample, second: bool = False) -> dict[str, Tensor]:
    """Values, arguments after the call, and derivatives in reverse mode for random cotangents, by name."""
    sample = _fresh(sample)
    values = _tensors(_call(function, sample))
    found = {f"value {i}": y for i, y in enumerate(values)}
    found |= {f"argument {i} after the call": t for i, t in enumerate(sample.tensors)}
    values = [y for y in values if y.requires_grad]
    if values:
        cotangents = [c.requires_grad_(second) for c in _random(values, 1)]
        grads = torch.autograd.grad(values, sample.inputs, cotangents, create_graph=second, materialize_grads=True)
        found |= {f"gradient {i}": g for i, g in enumerate(grads)}
        grads = [g for g in grads if g.requires_grad]
        if grads:
            by = [*sample.inputs, *cotangents]
            again = torch.autograd.grad(grads, by, _random(grads, 2), materialize_grads=True)
            found |= {f"second derivative {i}": g for i, g in enumerate(again)}
    return {name: t.detach() for name, t in found.items()}


def reverse_twice(function: Callable, sample: Sample) -> dict[str, Tensor]:
    return reverse(function, sample, second=True)


def forward(function: Callable, sample: Sample) -> dict[str, Tensor]:
    """Derivatives in forward mode for random tangents, by name."""
    sample = _fresh(sample)
    tangents = _random(sample.inputs, 3)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x.detach(), t) for x, t in zip(sample.inputs, tangents, strict=True)]
        values = [y for y in _tensors(_call(function, sample.with_inputs(duals))) if y.is_floating_point()]
        pairs = [forward_ad.unpack_dual(y) for y in values]
        return {
            f"tangent {i}": torch.zeros_like(p.primal) if p.tangent is None else p.tangent.detach().clone()
            for i, p in enumerate(pairs)
        }


def everything_differentiated(sample: Sample) -> Sample:
    """The same call with a gradient wanted for every floating tensor."""
    return sample.map(lambda t: t.detach().requires_grad_(t.is_floating_point()))


def _outcome(measure: Callable, function: Callable, sample: Sample):
    try:
        return measure(function, sample)
    except Warning:
        raise  # it would stand in for the value
    except Exception as error:
        return error


def _call(function: Callable, sample: Sample):
    # The seed with which the database wraps what draws; torch.manual_seed takes milliseconds.
    torch.default_generator.manual_seed(42)
    return function(*sample.args, **sample.kwargs)


def _fresh(sample: Sample) -> Sample:
    """Copies with the same strides, gaps and overlaps, which ``clone`` would close."""

    def copy(t: Tensor) -> Tensor:
        memory = t.untyped_storage().clone()
        return t.new_empty(0).set_(memory, t.storage_offset(), t.shape, t.stride()).requires_grad_(t.requires_grad)

    return sample.map(copy)


def _tensors(result) -> list[Tensor]:
    return [t for t in pytree.tree_leaves(result) if isinstance(t, Tensor)]


def _random(like: list[Tensor], seed: int) -> list[Tensor]:
    """Random numbers that every floating type holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randint(-127, 128, t.shape, generator=generator) / 32).to(t.dtype) for t in like]


def exact_binary_cross_entropy(input, target, weight=None, reduction="mean"):
    """From primitives: PyTorch adds 1e-12 to denominators of its second derivative, which shows in nine digits."""
    loss = -(target * input.log() + (1 - target) * (-input).log1p())
    loss = loss if weight is None else loss * weight
    return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[reduction]()

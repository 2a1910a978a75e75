"""Calls a function on a sample and differentiates the result."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from manualnet.check.spec import Sample

SEED = 20240122


def fresh(sample: Sample) -> Sample:
    """The same call on copies that keep strides: whatever is done to them, the sample stays as it is."""
    return sample.map(lambda t: t.detach().clone().requires_grad_(t.requires_grad))


def seed() -> None:
    # torch.manual_seed formats a traceback at each call, which would cost more than most functions do.
    torch.default_generator.manual_seed(SEED)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(SEED)


def call(function: Callable, sample: Sample):
    """Call with the generator seeded, so that a function that draws draws the same each time."""
    seed()
    return function(*sample.args, **sample.kwargs)


def seeded(function: Callable, arguments: Sequence[Tensor]):
    """Call with tensors alone, the generator seeded."""
    seed()
    return function(*arguments)


def floats(result) -> list[Tensor]:
    """The floating tensors of a result, whether it is one tensor or a structure of them."""
    leaves = pytree.tree_leaves(result)
    return [t for t in leaves if isinstance(t, Tensor) and (t.is_floating_point() or t.is_complex())]


def cotangents(values: Sequence[Tensor], seed: int = 1) -> list[Tensor]:
    """Random numbers of the form of ``values``."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(v.shape, generator=generator, dtype=torch.float64).to(v.device, v.dtype) for v in values]


def gradients(
    values: Sequence[Tensor], inputs: Sequence[Tensor], upstream: Sequence[Tensor], create_graph: bool = False
) -> list[Tensor]:
    """Gradients of the inputs; zeros where nothing depends on an input."""
    pairs = [(v, c) for v, c in zip(values, upstream, strict=True) if v.requires_grad]
    if not pairs:
        return [torch.zeros_like(x) for x in inputs]
    grads = torch.autograd.grad(
        [v for v, _ in pairs],
        inputs,
        [c for _, c in pairs],
        create_graph=create_graph,
        retain_graph=True,
        allow_unused=True,
    )
    return [torch.zeros_like(x) if g is None else g for g, x in zip(grads, inputs, strict=True)]


def value_and_gradients(
    function: Callable, sample: Sample, upstream: Sequence[Tensor] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Values and gradients on a copy of the sample, for random cotangents unless some are given."""
    sample = fresh(sample)
    values = floats(call(function, sample))
    # A rule may be so bold as to write to its cotangent or its result, which is not to spoil the next comparison.
    upstream = cotangents(values) if upstream is None else [u.clone() for u in upstream]
    return [v.detach().clone() for v in values], gradients(values, sample.inputs, upstream)


def scalar(function: Callable, sample: Sample, upstream: Sequence[Tensor]) -> Callable[..., Tensor]:
    """``<f(inputs), upstream>`` as a function of the differentiable inputs; it does not seed, so it can be traced."""

    def projected(*inputs: Tensor) -> Tensor:
        values = floats(function(*(s := sample.with_inputs(inputs)).args, **s.kwargs))
        return sum((v * u).sum() for v, u in zip(values, upstream, strict=True))  # type: ignore[return-value]

    return projected


def of_inputs(function: Callable, sample: Sample) -> Callable:
    """The call as a function of its differentiable inputs; it does not seed, so it can be traced."""

    def pure(*inputs: Tensor):
        s = sample.with_inputs(inputs)
        return function(*s.args, **s.kwargs)

    return pure


def of(sample: Sample) -> str:
    """`` of sample 'x'`` at the end of a phrase; nothing if the sample has no label."""
    return f" of {sample.label}" if sample.label else ""

"""Does it compose with vmap, with torch.func.grad under it, and with batched cotangents?"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from manualnet.check.advice import COMPOSE
from manualnet.check.attempt import attempt, each
from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, of_inputs, scalar, seeded
from manualnet.check.compare import Worst
from manualnet.check.nodes import around_rules
from manualnet.check.property import Evidence, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

BATCHED = (
    "Keep backward to operations that vmap knows: no NumPy, no .item(), no branch on data, .reshape in the place of "
    ".flatten, .narrow in the place of a slice of everything."
)
BATCH = 3


@claims("vmap, over any axis of any input, gives what a loop gives", COMPOSE)
def vmap(subject: Subject) -> Evidence:
    worst = Worst()

    def test(sample: Sample) -> None:
        every = tuple(range(len(sample.inputs)))
        for chosen in (every, *((i,) for i in every)) if len(every) > 1 else (every,):
            for dim in (0, -1):
                _mapped(subject, sample, chosen, dim, worst)

    each(subject.samples, test)
    return worst.evidence()


def _mapped(subject: Subject, sample: Sample, chosen: Sequence[int], dim: int, worst: Worst) -> None:
    inputs = [x.detach() for x in sample.inputs]
    batches = _batches(inputs)
    in_dims = tuple(dim if i in chosen else None for i in range(len(inputs)))
    stacked = [b if d is None else many.movedim(0, d) for b, many, d in zip(inputs, batches, in_dims, strict=True)]

    def run(function: Callable) -> list[Tensor]:
        pure = of_inputs(function, fresh(sample))
        f = torch.func.vmap(lambda *inputs: tuple(floats(pure(*inputs))), in_dims, randomness="same")
        return list(seeded(f, stacked))

    found = attempt(subject, run)
    rows = [[many[k] if i in chosen else inputs[i] for i, many in enumerate(batches)] for k in range(BATCH)]
    loop = [floats(seeded(of_inputs(subject.function, fresh(sample)), row)) for row in rows]
    where = f"vmap over axis {dim} of input{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}{of(sample)}"
    for y, *single in zip(found, *loop, strict=True):
        worst.close(y.detach(), torch.stack(single).detach(), where, COMPOSE)


@claims("torch.autograd.grad with is_grads_batched gives what a loop over cotangents gives", BATCHED)
def batched_cotangents(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.samples:
        sample = fresh(sample)
        values = [v for v in floats(call(subject.function, sample)) if v.requires_grad]
        if not values:
            continue
        upstream = [cotangents(values, k) for k in range(BATCH)]
        stacked = [torch.stack(u) for u in zip(*upstream, strict=True)]
        options = {"retain_graph": True, "allow_unused": True}
        with around_rules(_without_data):
            found = torch.autograd.grad(values, sample.inputs, stacked, is_grads_batched=True, **options)
        loop = [gradients(values, sample.inputs, u) for u in upstream]
        for i, g in enumerate(found):
            expected = torch.stack([row[i] for row in loop])
            g = torch.zeros_like(expected) if g is None else g
            worst.close(g, expected, f"the gradient of input {i} for batched cotangents{of(sample)}", BATCHED)
    return worst.evidence()


def _without_data(node, _: tuple, run: Callable):
    with _NoData():
        return run()


class _NoData(TorchFunctionMode):
    """Raises where PyTorch crashes: writing to the .data of a batched cotangent ends the process."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func == Tensor.data.__get__:  # type: ignore[attr-defined]
            raise RuntimeError("accessing .data of a batched tensor is not allowed; use .detach()")
        return func(*args, **(kwargs or {}))


@claims("torch.func.grad and vmap of it, nested too, give what autograd gives", COMPOSE)
def per_sample_gradient(subject: Subject) -> Evidence:
    worst = Worst()
    each(subject.samples, lambda sample: _per_sample(subject, sample, worst))
    return worst.evidence()


def _per_sample(subject: Subject, sample: Sample, worst: Worst) -> None:
    batches = _batches([x.detach() for x in sample.inputs])
    upstream = cotangents(floats(call(subject.function, fresh(sample))))
    rows = [_autograd(subject, sample, [b[k] for b in batches], upstream) for k in range(BATCH)]
    loop = [torch.stack(row) for row in zip(*rows, strict=True)]

    def twice(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [torch.stack([t, t.flip(0)]) for t in tensors]

    cases = {
        "grad": (0, [b[0] for b in batches], rows[0]),
        "vmap(grad)": (1, batches, loop),
        "vmap(vmap(grad))": (2, twice(batches), twice(loop)),
    }
    for name, (depth, arguments, expected) in cases.items():

        def run(function: Callable, depth: int = depth, arguments: Sequence[Tensor] = arguments) -> list[Tensor]:
            f = torch.func.grad(scalar(function, fresh(sample), upstream), tuple(range(len(batches))))
            for _ in range(depth):
                f = torch.func.vmap(f, randomness="same")
            return floats(seeded(f, arguments))

        for i, (g, e) in enumerate(zip(attempt(subject, run), expected, strict=True)):
            worst.close(g, e, f"{name} by input {i}{of(sample)}", COMPOSE)


def _batches(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Each input beside two that are a little larger, which stay in the domain of a probability below 1."""
    return [torch.stack([x * (1 + 0.01 * k) for k in range(BATCH)]) for x in inputs]


def _autograd(subject: Subject, sample: Sample, inputs: Sequence[Tensor], upstream: Sequence[Tensor]) -> list[Tensor]:
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    values = floats(call(subject.function, fresh(sample).with_inputs(inputs)))
    return gradients(values, inputs, upstream)

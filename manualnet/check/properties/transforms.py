"""Does it compose with forward mode, vmap and torch.func?"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

from manualnet.check.advice import JVP
from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, of_inputs, scalar, seed
from manualnet.check.compare import Worst
from manualnet.check.numeric import STEP
from manualnet.check.properties.gradient import NUMERIC
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

COMPOSE = (
    "Write forward without ctx and a setup_context, set generate_vmap_rule = True, save only inputs and outputs, and "
    "make backward (and, for forward mode, jvp) of differentiable operations of what was saved."
)
BATCHED = (
    "Keep backward to operations that vmap knows: no NumPy, no .item(), no branch on data, .reshape in the place of "
    ".flatten, .narrow in the place of a slice of everything."
)
LARGEST = 400  # elements, whose Hessian has their square
BATCH = 3


@claims("forward mode gives the derivative along random tangents, of all inputs and of each alone", JVP)
def forward_mode(subject: Subject) -> Evidence:
    worst = Worst()
    for sample in subject.samples:
        sample = fresh(sample)
        tangents = cotangents(sample.inputs, seed=5)
        chosen: list[Sequence[Tensor | None]] = [tangents]
        if len(tangents) > 1:
            chosen += [[t if i == j else None for j, t in enumerate(tangents)] for i in range(len(tangents))]
        for which, directions in enumerate(chosen):
            expected, doubt = _along(subject, sample, directions)
            found = _forward(subject, sample, directions)
            along = f" along input {which - 1}" if which else ""
            where = f"the tangent{along}{of(sample)}"
            for y, e, d in zip(found, expected, doubt, strict=True):
                worst.close(y, e, where, JVP, NUMERIC, slack=10 * d)
    return worst.evidence()


def _forward(subject: Subject, sample: Sample, directions: Sequence[Tensor | None]) -> list[Tensor]:
    with forward_ad.dual_level():
        pairs = zip(sample.inputs, directions, strict=True)
        duals = [x.detach() if t is None else forward_ad.make_dual(x.detach(), t) for x, t in pairs]
        seed()
        results = [forward_ad.unpack_dual(y) for y in floats(of_inputs(subject.function, sample)(*duals))]
        return [torch.zeros_like(r.primal) if r.tangent is None else r.tangent.clone() for r in results]


def _along(subject: Subject, sample: Sample, directions: Sequence[Tensor | None]) -> tuple[list[Tensor], list[Tensor]]:
    """The numeric derivative of each output along the directions, and its estimated error."""
    f = of_inputs(subject.function, sample)

    def at(step: float) -> list[Tensor]:
        pairs = zip(sample.inputs, directions, strict=True)
        moved = [x.detach() if t is None else x.detach() + step * t for x, t in pairs]
        seed()
        return [y.detach().clone() for y in floats(f(*moved))]

    def stencil(h: float) -> list[Tensor]:
        values = zip(at(2 * h), at(h), at(-h), at(-2 * h), strict=True)
        return [(8 * (b - c) - (a - d)) / (12 * h) for a, b, c, d in values]

    coarse, fine = stencil(STEP), stencil(STEP / 2)
    return coarse, [(a - b).abs() for a, b in zip(coarse, fine, strict=True)]


@claims("vmap, over any axis of any input, gives what a loop gives", COMPOSE)
def vmap(subject: Subject) -> Evidence:
    worst, refused = Worst(), ""
    for sample in subject.samples:
        sample = fresh(sample)
        inputs = _detached(sample)
        batches = _batches(inputs)
        all_of_them = tuple(range(len(inputs)))
        choices = [all_of_them, *((i,) for i in all_of_them)] if len(inputs) > 1 else [all_of_them]
        for chosen in choices:
            for dim in (0, -1):
                stacked = [batches[i].movedim(0, dim) if i in chosen else inputs[i] for i in all_of_them]
                in_dims = tuple(dim if i in chosen else None for i in all_of_them)
                transform = lambda f, in_dims=in_dims: torch.func.vmap(f, in_dims, randomness="same")  # noqa: E731
                found, refused = _transformed(subject, sample, transform, stacked, refused)
                if found is None:
                    continue
                rows = [[batches[i][k] if i in chosen else inputs[i] for i in all_of_them] for k in range(BATCH)]
                loop = [floats(_seeded(of_inputs(subject.function, fresh(sample)), row)) for row in rows]
                for y, *single in zip(found, *loop, strict=True):
                    where = f"vmap over axis {dim} of input{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}"
                    worst.close(y.detach(), torch.stack(single).detach(), f"{where}{of(sample)}", COMPOSE)
    return _evidence(worst, refused)


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
        found = torch.autograd.grad(values, sample.inputs, stacked, is_grads_batched=True, **options)
        loop = [gradients(values, sample.inputs, u) for u in upstream]
        for i, g in enumerate(found):
            expected = torch.stack([row[i] for row in loop])
            g = torch.zeros_like(expected) if g is None else g
            worst.close(g, expected, f"the gradient of input {i} for batched cotangents{of(sample)}", BATCHED)
    return worst.evidence()


@claims("torch.func.grad and vmap of it, nested too, give what autograd gives", COMPOSE)
def per_sample_gradient(subject: Subject) -> Evidence:
    worst, refused = Worst(), ""
    for sample in subject.samples:
        sample = fresh(sample)
        inputs = _detached(sample)
        numbers = tuple(range(len(inputs)))
        upstream = _upstream(subject, sample)
        batches = _batches(inputs)
        twice = [torch.stack([b, b.flip(0)]) for b in batches]
        expected = [_autograd(subject, sample, [b[k] for b in batches], upstream) for k in range(BATCH)]
        rows = [torch.stack([row[i] for row in expected]) for i in numbers]

        def grad(f: Callable) -> Callable:
            return torch.func.grad(f, numbers)  # noqa: B023

        def nested(f: Callable, depth: int = 1) -> Callable:
            mapped = grad(f)
            for _ in range(depth):
                mapped = torch.func.vmap(mapped, randomness="same")
            return mapped

        cases = [
            ("grad", grad, [b[0] for b in batches], expected[0]),
            ("vmap(grad)", nested, batches, rows),
            ("vmap(vmap(grad))", lambda f: nested(f, 2), twice, [torch.stack([r, r.flip(0)]) for r in rows]),
        ]
        for name, transform, arguments, wanted in cases:
            found, refused = _transformed(subject, sample, transform, arguments, refused, upstream)
            for i, (g, e) in enumerate(zip(found or [], wanted, strict=False)):
                worst.close(g, e, f"{name} by input {i}{of(sample)}", COMPOSE)
    return _evidence(worst, refused)


@claims("jacrev and jacfwd give the Jacobian", COMPOSE)
def jacobian(subject: Subject) -> Evidence:
    worst, refused = Worst(), ""
    for sample in _small(subject, 8):
        sample = fresh(sample)
        x = _flat(sample).requires_grad_()
        y = _seeded(_joined(of_inputs(subject.function, fresh(sample)), sample), [x])
        weights = cotangents([y])[0]
        (expected,) = gradients([y], [x], [weights])
        for name, transform in (("jacrev", torch.func.jacrev), ("jacfwd", _jacfwd)):
            joined = partial(_joined, sample=sample, transform=transform)
            found, refused = _transformed(subject, sample, joined, [x.detach()], refused)
            if found is not None:
                worst.close(weights @ found[0], expected, f"{name}{of(sample)}", COMPOSE if name == "jacrev" else JVP)
    return _evidence(worst, refused)


@claims(
    "torch.func.hessian, its nestings of reverse and forward mode, and vmap of it give the second derivative", COMPOSE
)
def hessian(subject: Subject) -> Evidence:
    def mapped(f: Callable) -> Callable:
        return lambda x: torch.func.vmap(_jacfwd(torch.func.jacrev(f)), randomness="same")(x.unsqueeze(0)).squeeze(0)

    nestings: dict[str, Callable] = {
        "hessian": lambda f: _jacfwd(torch.func.jacrev(f)),
        "jacrev(jacrev)": lambda f: torch.func.jacrev(torch.func.jacrev(f)),
        "jacrev(jacfwd)": lambda f: torch.func.jacrev(_jacfwd(f)),
    }
    if not subject.draws:  # random numbers under three levels of vmap and forward mode crash PyTorch 2.14
        nestings["vmap(hessian)"] = mapped
    worst, refused = Worst(), ""
    for sample in _small(subject, 6):
        refused = _second(subject, fresh(sample), nestings, worst, refused)
    return _evidence(worst, refused)


@claims("jacfwd(jacfwd) gives the second derivative", "Use jacfwd(jacrev(f)), that is torch.func.hessian.")
def forward_over_forward(subject: Subject) -> Evidence:
    worst = Worst()
    try:
        for sample in _small(subject, 2):
            _second(subject, fresh(sample), {"jacfwd(jacfwd)": lambda f: _jacfwd(_jacfwd(f))}, worst, "")
    except Fault:
        if not subject.rules:
            raise
        raise DoesNotApply(
            "PyTorch turns forward mode off inside a custom Function's jvp, so jacfwd(jacfwd(f)) misses terms; "
            "use torch.func.hessian"
        ) from None
    except Exception as error:
        raise DoesNotApply(f"it needs forward mode and vmap: {short(error)}") from None
    return worst.evidence()


def _second(subject: Subject, sample: Sample, nestings: dict[str, Callable], worst: Worst, refused: str) -> str:
    upstream = _upstream(subject, sample)
    x = _flat(sample).requires_grad_()
    y = _seeded(_joined(scalar(subject.function, fresh(sample), upstream), sample, number=True), [x])
    first = gradients([y], [x], [torch.ones_like(y)], create_graph=True)
    along = cotangents([x], seed=6)
    (expected,) = gradients(first, [x], along)
    for name, transform in nestings.items():
        joined = partial(_joined, sample=sample, transform=transform, number=True)
        found, refused = _transformed(subject, sample, joined, [x.detach()], refused, upstream)
        if found is not None:
            worst.close(found[0] @ along[0], expected, f"{name}{of(sample)}", COMPOSE)
    return refused


def _small(subject: Subject, count: int) -> list[Sample]:
    few = subject.few(count)
    small = [s for s in few if sum(x.numel() for x in s.inputs) <= LARGEST]
    if not small:
        least = min(sum(x.numel() for x in s.inputs) for s in few)
        raise DoesNotApply(f"the inputs have {least:,} elements, too many for a whole matrix: give at most {LARGEST}")
    return small


def _jacfwd(f: Callable) -> Callable:
    return torch.func.jacfwd(f, randomness="same")


def _transformed(
    subject: Subject,
    sample: Sample,
    transform: Callable,
    arguments: Sequence[Tensor],
    refused: str,
    upstream: Sequence[Tensor] | None = None,
) -> tuple[list[Tensor] | None, str]:
    """What a transform of the function gives, or None where the reference cannot be transformed either."""

    def run(function: Callable) -> list[Tensor]:
        copy = fresh(sample)
        f = of_inputs(function, copy) if upstream is None else scalar(function, copy, upstream)
        return floats(_seeded(transform(f), arguments))

    try:
        return run(subject.function), refused
    except Exception:
        if subject.spec.reference is None:
            raise
        try:
            run(subject.reference)
        except Exception as error:
            return None, short(error)
        raise


def _seeded(f: Callable, arguments: Sequence[Tensor]):
    seed()
    return f(*arguments)


def _evidence(worst: Worst, refused: str) -> Evidence:
    if worst.error is None and refused:
        raise DoesNotApply(f"the reference does not either: {refused}")
    return worst.evidence()


def _detached(sample: Sample) -> list[Tensor]:
    return [x.detach() for x in sample.inputs]


def _batches(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Each input beside two that are a little larger, which stay in the domain of a probability below 1."""
    return [torch.stack([x * (1 + 0.01 * k) for k in range(BATCH)]) for x in inputs]


def _upstream(subject: Subject, sample: Sample) -> list[Tensor]:
    return cotangents(floats(call(subject.function, fresh(sample))))


def _autograd(subject: Subject, sample: Sample, inputs: Sequence[Tensor], upstream: Sequence[Tensor]) -> list[Tensor]:
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    values = floats(call(subject.function, fresh(sample).with_inputs(inputs)))
    return gradients(values, inputs, upstream)


def _flat(sample: Sample) -> Tensor:
    return torch.cat([x.detach().flatten() for x in sample.inputs])


def _joined(f: Callable, sample: Sample, transform: Callable = lambda f: f, number: bool = False) -> Callable:
    """A transform, if one is given, of ``f`` as a function of one vector of all its inputs."""
    shapes = [x.shape for x in sample.inputs]

    def joined(x: Tensor) -> Tensor:
        parts = x.split([s.numel() for s in shapes])
        values = floats(f(*(p.reshape(s) for p, s in zip(parts, shapes, strict=True))))
        return values[0] if number else torch.cat([v.reshape(-1) for v in values])

    return transform(joined)

"""Do torch.func's Jacobians and Hessians hold the derivatives?"""

from collections.abc import Callable

import torch
from torch import Tensor

from manualnet.check.advice import COMPOSE, JVP, advice
from manualnet.check.attempt import attempt, each
from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, of_inputs, scalar, seeded
from manualnet.check.compare import Worst
from manualnet.check.property import DoesNotApply, Evidence, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

LARGEST = 400  # elements, whose Hessian has their square


def _jacfwd(f: Callable) -> Callable:
    return torch.func.jacfwd(f, randomness="same")


def _jacrev(f: Callable) -> Callable:
    return torch.func.jacrev(f)


def _hessian(f: Callable) -> Callable:
    """torch.func.hessian, for functions that draw too."""
    return _jacfwd(_jacrev(f))


def _mapped_hessian(f: Callable) -> Callable:
    return lambda x: torch.func.vmap(_hessian(f), randomness="same")(x.unsqueeze(0)).squeeze(0)


@claims("jacrev and jacfwd give the Jacobian", COMPOSE)
def jacobian(subject: Subject) -> Evidence:
    worst = Worst()

    def test(sample: Sample) -> None:
        x = _flat(sample).requires_grad_()
        y = seeded(_joined(of_inputs(subject.function, fresh(sample)), sample), [x])
        (weights,) = cotangents([y])
        (expected,) = gradients([y], [x], [weights])
        for transform, mend in ((_jacrev, COMPOSE), (_jacfwd, JVP)):

            def run(function: Callable, transform: Callable = transform) -> Tensor:
                return seeded(transform(_joined(of_inputs(function, fresh(sample)), sample)), [x.detach()])

            where = f"{transform.__name__.strip('_')}{of(sample)}"
            worst.close(weights @ attempt(subject, run).detach(), expected, where, mend)

    each(_small(subject, 8), test)
    return worst.evidence()


@claims(
    "torch.func.hessian, its nestings of reverse and forward mode, and vmap of it give the second derivative", COMPOSE
)
def hessian(subject: Subject) -> Evidence:
    nestings: dict[str, Callable] = {
        "hessian": _hessian,
        "jacrev(jacrev)": lambda f: _jacrev(_jacrev(f)),
        "jacrev(jacfwd)": lambda f: _jacrev(_jacfwd(f)),
    }
    if not subject.draws:  # random numbers under three levels of vmap and forward mode crash PyTorch 2.14
        nestings["vmap(hessian)"] = _mapped_hessian
    worst = Worst()
    each(_small(subject, 6), lambda sample: _second(subject, sample, nestings, worst))
    return worst.evidence()


@claims("jacfwd(jacfwd) gives the second derivative", "Use jacfwd(jacrev(f)), that is torch.func.hessian.")
def forward_over_forward(subject: Subject) -> Evidence:
    worst = Worst()
    nesting = {"jacfwd(jacfwd)": lambda f: _jacfwd(_jacfwd(f))}
    try:
        each(_small(subject, 2), lambda sample: _second(subject, sample, nesting, worst))
    except DoesNotApply:
        raise
    except Exception as error:
        if not subject.rules:
            raise
        if advice(error):
            raise DoesNotApply(f"it needs forward mode and vmap: {short(error)}") from None
        raise DoesNotApply(
            "PyTorch turns forward mode off inside a custom Function's jvp, so jacfwd(jacfwd(f)) misses terms; "
            "use torch.func.hessian"
        ) from None
    return worst.evidence()


def _second(subject: Subject, sample: Sample, nestings: dict[str, Callable], worst: Worst) -> None:
    upstream = cotangents(floats(call(subject.function, fresh(sample))))
    x = _flat(sample).requires_grad_()

    def projected(function: Callable) -> Callable:
        return _joined(scalar(function, fresh(sample), upstream), sample, number=True)

    y = seeded(projected(subject.function), [x])
    first = gradients([y], [x], [torch.ones_like(y)], create_graph=True)
    (along,) = cotangents([x], seed=6)
    (expected,) = gradients(first, [x], [along])
    for name, transform in nestings.items():

        def run(function: Callable, transform: Callable = transform) -> Tensor:
            return seeded(transform(projected(function)), [x.detach()])

        worst.close(attempt(subject, run).detach() @ along, expected, f"{name}{of(sample)}", COMPOSE)


def _small(subject: Subject, count: int) -> list[Sample]:
    few = subject.few(count)
    small = [s for s in few if sum(x.numel() for x in s.inputs) <= LARGEST]
    if not small:
        least = min(sum(x.numel() for x in s.inputs) for s in few)
        raise DoesNotApply(f"the inputs have {least:,} elements, too many for a whole matrix: give at most {LARGEST}")
    return small


def _flat(sample: Sample) -> Tensor:
    return torch.cat([x.detach().flatten() for x in sample.inputs])


def _joined(f: Callable, sample: Sample, number: bool = False) -> Callable[[Tensor], Tensor]:
    """``f`` as a function of one vector of all its inputs, that gives one vector or the number that ``f`` gives."""
    shapes = [x.shape for x in sample.inputs]

    def joined(x: Tensor) -> Tensor:
        parts = x.split([s.numel() for s in shapes])
        values = floats(f(*(p.reshape(s) for p, s in zip(parts, shapes, strict=True))))
        return values[0] if number else torch.cat([v.reshape(-1) for v in values])

    return joined

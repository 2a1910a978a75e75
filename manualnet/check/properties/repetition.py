"""Does it give the same again, and is one call as good as another beside it?"""

from itertools import combinations

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, value_and_gradients
from manualnet.check.compare import Worst, told
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

SUM = (
    "Return each argument's own gradient whatever the arguments are: autograd adds up what flows to one tensor. Do not "
    "ask whether two of them are the same."
)
STATE = (
    "Keep what one call needs on its ctx, with save_for_backward, not on the class or in a global, which the next call "
    "shares."
)
SAME = (
    "Fill what torch.empty gives before reading it, draw from PyTorch's generator in the place of random or "
    "numpy.random, and keep no state from call to call."
)
RECORDED = "Compute the same whether or not an input requires a gradient: evaluation is to see what training saw."


@claims("one tensor in two places gets the sum of both gradients, and a result used twice gives it twice", SUM)
def same_tensor_twice(subject: Subject) -> Evidence:
    worst = Worst()
    pairs = 0
    for sample in subject.samples:
        _two_uses(subject, sample, worst)
        _two_calls(subject, sample, worst)
        for i, j in combinations(range(len(sample.inputs)), 2):
            if sample.inputs[i].shape == sample.inputs[j].shape and sample.inputs[i].dtype == sample.inputs[j].dtype:
                _one_in_two_places(subject, sample, i, j, worst)
                pairs += 1
    if worst.error is None:
        raise DoesNotApply("the samples have no elements")
    return worst.evidence("" if pairs else "no two inputs have one shape; results were used twice")


def _two_uses(subject: Subject, sample: Sample, worst: Worst) -> None:
    _, once = value_and_gradients(subject.function, sample)
    sample = fresh(sample)
    values = floats(call(subject.function, sample))
    twice = gradients(values * 2, sample.inputs, cotangents(values) * 2)
    for i, (g, expected) in enumerate(zip(twice, once, strict=True)):
        worst.close(g, 2 * expected, f"where the result is used twice, the gradient of input {i}{of(sample)}", SUM)


def _two_calls(subject: Subject, sample: Sample, worst: Worst) -> None:
    """A second call before the first one's backward must not be in its way."""
    other = sample.with_inputs([(t.detach() * 0.9).requires_grad_() for t in sample.inputs])
    sample = fresh(sample)
    values = floats(call(subject.function, sample))
    try:
        call(subject.function, other)
    except Exception:
        return  # such numbers are outside its domain
    late = gradients(values, sample.inputs, cotangents(values))
    _, expected = value_and_gradients(subject.function, sample)
    for i, (g, e) in enumerate(zip(late, expected, strict=True)):
        worst.close(g, e, f"with another call before backward, the gradient of input {i}{of(sample)}", STATE)


def _one_in_two_places(subject: Subject, sample: Sample, i: int, j: int, worst: Worst) -> None:
    apart = list(fresh(sample).inputs)
    apart[j] = apart[i].detach().clone().requires_grad_()
    together = list(fresh(sample.with_inputs(apart)).inputs)
    together[j] = together[i]
    where = f"with one tensor as inputs {i} and {j}"
    values, grads = value_and_gradients(subject.function, sample.with_inputs(apart))
    same = sample.with_inputs(together)
    twice = floats(call(subject.function, same))
    for y, expected in zip(twice, values, strict=True):
        worst.close(y.detach(), expected, f"{where}, the value{of(sample)}", SUM)
    (gradient,) = gradients(twice, [together[i]], cotangents(twice))
    worst.close(gradient, grads[i] + grads[j], f"{where}, its gradient{of(sample)}", SUM)


@claims("the same call gives the same bits, value and gradient, and its value where nothing is differentiated", SAME)
def deterministic(subject: Subject) -> Evidence:
    worst = Worst()
    for sample, once in zip(subject.samples, subject.first, strict=True):
        for soil in (3.0, torch.nan, 0.0, -1.0):
            again = _results(subject, sample, soil, once)
            for k, (a, b) in enumerate(zip(again, once, strict=True)):
                differ = (a != b) & ~(a.isnan() & b.isnan())
                if differ.any():
                    values = len(once) - len(sample.inputs)
                    what = "the value" if k < values else f"the gradient of input {k - values}"
                    raise Fault(told(f"called again, {what}{of(sample)}", a, b, differ, "not"), SAME)
        for y, expected in zip(_undifferentiated(subject, sample), once, strict=False):
            worst.close(y, expected, f"where no input needs a gradient, the value{of(sample)}", RECORDED)
    return worst.evidence()


def _undifferentiated(subject: Subject, sample: Sample) -> list[Tensor]:
    return floats(call(subject.function, sample.map(lambda t: t.detach().clone())))


def _results(subject: Subject, sample: Sample, soil: float, forms: list[Tensor]) -> list[Tensor]:
    """Values and gradients, with numbers left in the memory that is likely to be handed out next."""
    left = [torch.full_like(t, soil) for t in forms for _ in range(4)]
    del left
    values, grads = value_and_gradients(subject.function, sample)
    return [*values, *grads]

"""Does torch.export take the function, and keep its rule?"""

from collections.abc import Callable

import torch

from manualnet.check.attempt import attempt, each, eagerly
from manualnet.check.calls import call, floats, fresh, value_and_gradients
from manualnet.check.canary import canary, same_derivatives
from manualnet.check.compare import Worst
from manualnet.check.compiler import clean_compiler
from manualnet.check.property import DoesNotApply, Evidence, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

RECORDABLE = (
    "Keep forward to operations on tensors, without .item(), branches on data, numpy or state outside: what is "
    "exported is the list of operations that one call ran."
)
DROPPED = (
    "the value is right; the rule is lost, as torch.export records forward alone and drops that "
    "of every custom Function: train before exporting"
)


@claims("torch.export gives the same value, and keeps the rule", RECORDABLE)
def export(subject: Subject) -> Evidence:
    worst = Worst()
    kept: list[bool] = []

    def test(sample: Sample) -> None:
        program = attempt(subject, lambda function: _exported(function, sample))
        with torch.no_grad():
            values, expected = (floats(call(f, fresh(sample))) for f in (program, subject.function))
        if subject.draws and not all(map(torch.equal, values, expected)):
            raise DoesNotApply("exported, it draws other random numbers, as PyTorch allows")
        for y, e in zip(values, expected, strict=True):
            worst.close(y, e, f"the exported value{' of ' + sample.label if sample.label else ''}", RECORDABLE)
        kept.append(_keeps_its_rule(subject, sample))

    each(subject.few(3), test)
    if not all(kept):
        raise DoesNotApply(DROPPED)
    return worst.evidence()


def _exported(function: Callable, sample: Sample) -> Callable:
    with clean_compiler():
        recorded = fresh(sample)
        return torch.export.export(_Module(function), recorded.args, recorded.kwargs).module()


def _keeps_its_rule(subject: Subject, sample: Sample) -> bool:
    """Whether rules that are wrong on purpose show in the exported program, if they show at all."""
    right = eagerly(lambda: value_and_gradients(subject.function, sample))[1]
    with canary(subject.rules):
        wrong = value_and_gradients(subject.function, sample)[1]
        if same_derivatives(right, wrong):
            return True
        try:
            found = value_and_gradients(_exported(subject.function, sample), sample)[1]
        except Exception:
            return False  # forward need not be differentiable where a rule stands for it
    return same_derivatives(found, wrong)


class _Module(torch.nn.Module):
    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)

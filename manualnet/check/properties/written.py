"""Is the gradient written by hand, as the function claims?"""

from collections.abc import Callable

import torch

from manualnet.check.attempt import eagerly
from manualnet.check.calls import call, cotangents, floats, fresh, gradients
from manualnet.check.nodes import around_rules, rule_name
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject
from manualnet.handwritten import AutogradCalls, BackwardKernels, foreign_nodes

OWN_NODE = "Do this step inside a torch.autograd.Function of your own, whose backward is written out."
FORMULA = "Write the formula with forward operations: for tanh, grad_out * (1 - y * y)."
DERIVE = "Derive the gradient and write it out, without torch.autograd, .backward() and the transforms of torch.func."


@claims("the gradient runs neither PyTorch's nodes, nor its backward kernels, nor autograd", FORMULA)
def hand_written(subject: Subject) -> Evidence:
    if not subject.spec.hand_written:
        raise DoesNotApply("it does not claim to be written by hand (hand_written=True does)")
    for sample in subject.samples:
        _test(subject, fresh(sample))
    return Evidence(why="its graph has its own nodes alone, and their backward runs forward operations alone")


def _test(subject: Subject, sample: Sample) -> None:
    of = f" of {sample.label}" if sample.label else ""
    calls, kernels = AutogradCalls(), BackwardKernels()
    faults: list[Fault] = []

    def watch(what: str, run: Callable):
        asked, ran = calls.count, len(kernels.seen)
        result = run()
        if calls.count > asked:
            faults.append(Fault(f"{what}{of} asks autograd for a derivative.", DERIVE))
        elif kernels.seen[ran:]:
            faults.append(Fault(f"{what}{of} runs {kernels.seen[ran]}, a kernel of PyTorch's own backward.", FORMULA))
        return result

    with calls, kernels:
        values = [v for v in floats(watch("forward", lambda: call(subject.function, sample))) if v.requires_grad]
    if foreign := foreign_nodes(values, torch.autograd.Function):
        raise Fault(f"the graph{of} goes through {', '.join(foreign)}, whose gradient is PyTorch's.", OWN_NODE)
    with around_rules(lambda node, _, run: watch(f"backward of {rule_name(node)}", run)), calls, kernels:
        eagerly(lambda: gradients(values, sample.inputs, cotangents(values)))
    if faults:
        raise faults[0]

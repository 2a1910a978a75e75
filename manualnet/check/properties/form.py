"""Does a rule return what is asked for: one gradient an argument, of the input's form, and no more than is needed?"""

from collections.abc import Callable, Iterator
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor

from manualnet.check.calls import call, cotangents, floats, fresh, gradients, of, value_and_gradients
from manualnet.check.nodes import Form, around_rules, as_tuple, input_forms, no_rule, rule_name
from manualnet.check.property import Evidence, Fault, claims, short
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

FORM = (
    "Return one gradient an argument of forward, in the order of the arguments and in the form of each, and None for "
    "what is no floating tensor."
)
SHAPE = "Sum what broadcasting stretched, with grad.sum_to_size(x.shape), and put axes back with .reshape(x.shape)."
DTYPE = (
    "Make constants and new tensors in backward with the dtype of the input (x.new_tensor, torch.full_like, "
    "dtype=x.dtype), and end with .to(x.dtype) where types were mixed."
)
BROKEN = "Mend the backward first: call it on small tensors, and compare its steps with the formula."
DEVICE = "Make new tensors in backward with device=x.device, or with torch.full_like and x.new_tensor."


@claims("the rule itself returns gradients of the shape, the dtype and the device of each input", FORM)
def gradient_form(subject: Subject) -> Evidence:
    seen = 0
    for sample in subject.samples:
        for manner, cast in _casts(sample):
            seen += _forms(subject, cast, f"{manner}{of(sample)}")
    if not seen:
        raise no_rule()
    return Evidence(why=f"{seen} calls of its rules looked at, in float64, float32 and bfloat16 and with mixed dtypes")


def _casts(sample: Sample) -> Iterator[tuple[str, Sample]]:
    """The sample in every precision, and with one of its tensors narrower than the others."""

    def cast(dtype: torch.dtype, other: int | None = None, narrow: torch.dtype | None = None) -> Sample:
        numbers = iter(range(len(sample.tensors)))

        def change(t: Tensor) -> Tensor:
            to = narrow if next(numbers) == other else dtype
            return t.detach().to(to).requires_grad_(t.requires_grad) if t.is_floating_point() else t

        return sample.map(change)

    dtypes = (torch.float64, torch.float32, torch.bfloat16)
    for dtype in dtypes:
        yield f"in {_plain(dtype)}", cast(dtype)
    floating = [k for k, t in enumerate(sample.tensors) if t.is_floating_point()]
    # A kernel that has nothing to do may let types pass that it refuses otherwise.
    mixable = len(floating) > 1 and all(t.numel() for t in sample.tensors)
    for wide, narrow in pairwise(dtypes) if mixable else ():
        for k in floating:
            yield f"with tensor {k} in {_plain(narrow)} and the others in {_plain(wide)}", cast(wide, k, narrow)


def _forms(subject: Subject, sample: Sample, where: str) -> int:
    """The number of rules that ran, if all of them returned what they should."""
    seen = 0
    fault: list[Fault] = []
    types = {t.dtype for t in sample.tensors if t.is_floating_point()}
    common = reduce(torch.promote_types, types) if len(types) > 1 else None

    def look(node, _: tuple, run: Callable):
        nonlocal seen
        seen += 1
        returned = run()
        try:
            _look(node, as_tuple(returned), where, common)
        except Fault as found:
            fault.append(found)
        return returned

    try:
        sample = fresh(sample)
        values = floats(call(subject.function, sample))
        if subject.spec.reference is not None:
            value_and_gradients(subject.reference, sample)
    except Exception:
        return 0  # it need not take this precision or this mix
    try:
        with around_rules(look):
            gradients(values, sample.inputs, cotangents(values))
    except Exception as error:
        if not fault:
            mend = BROKEN if subject.broken else DTYPE
            raise Fault(f"{where}, backward raises {short(error)}.", mend, where=where) from error
    if fault:
        raise fault[0]
    return seen


def _look(node, returned: tuple, where: str, common: torch.dtype | None) -> None:
    name, forms = rule_name(node), input_forms(node)
    start = f"{where}, the backward of {name} returns"
    # The engine drops what is None beyond the arguments.
    if len(returned) < len(forms) or any(g is not None for g in returned[len(forms) :]):
        wrong = f"{start} {len(returned)} gradients where forward takes {len(forms)} arguments."
        raise Fault(wrong, FORM, where=where)
    for i, (g, form) in enumerate(zip(returned, forms, strict=False)):
        if form is None or g is None:
            continue
        if not isinstance(g, Tensor):
            raise Fault(f"{start} a {type(g).__name__} for argument {i}, which is a tensor.", FORM, where=where)
        found = Form.of(g)
        for attribute, mend in (("shape", SHAPE), ("dtype", DTYPE), ("device", DEVICE)):
            got, due = getattr(found, attribute), getattr(form, attribute)
            # Where types are mixed, PyTorch's own rules leave it to the engine, too, to round to the narrower.
            if got != due and not (attribute == "dtype" and got == common):
                wrong = (
                    f"{start} a gradient of {attribute} {_plain(got)} for argument {i} of {attribute} {_plain(due)}."
                )
                raise Fault(wrong, mend, where=where)


def _plain(what) -> str:
    return str(what).removeprefix("torch.")

"""Does it compile, and give the same?"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from manualnet.check.attempt import attempt, each, eagerly
from manualnet.check.calls import call, fresh, value_and_gradients
from manualnet.check.canary import has_rule
from manualnet.check.compare import Worst
from manualnet.check.compiler import allow, clean_compiler, compiled, names, run_compiled
from manualnet.check.property import DoesNotApply, Evidence, Fault, claims
from manualnet.check.spec import Sample
from manualnet.check.subject import Subject

TRACEABLE = (
    "Keep forward, setup_context and backward to operations on tensors that the compiler can follow: no .item(), "
    "no branch on data, no print, numpy, data_ptr() or state outside."
)
SAME = (
    "Let nothing depend on what the compiler does not see: state outside the function, memory addresses, strides, "
    "tensors changed in place."
)
DYNAMIC = (
    "Under dynamic=True sizes and integer arguments are torch.SymInt: test for them with "
    "isinstance(n, (int, torch.SymInt)), and leave them as they are, without int() or numpy."
)


@claims("torch.compile with fullgraph=True gives the same value and gradient", TRACEABLE)
def compile_(subject: Subject) -> Evidence:
    return _same_when_compiled(subject, subject.few(4), TRACEABLE)


@claims("torch.compile with dynamic=True does too, for two sizes", DYNAMIC)
def compile_dynamic(subject: Subject) -> Evidence:
    return _same_when_compiled(subject, subject.few(2), DYNAMIC, dynamic=True)


@claims("Inductor's code gives the same value and gradient", TRACEABLE)
def inductor(subject: Subject) -> Evidence:
    if not (subject.spec.inductor or "inductor" in subject.asked):
        raise DoesNotApply('it takes seconds, and runs when asked for: only=["inductor"], or inductor=True in a Spec')
    if not _finds_cpp_compiler():
        raise DoesNotApply("Inductor needs a C++ compiler, and finds none")
    # Its own random numbers would be others.
    with torch._inductor.config.patch(fallback_random=True):
        return _same_when_compiled(subject, subject.few(1), TRACEABLE, backend="inductor")


def _finds_cpp_compiler() -> bool:
    from torch._inductor import cpp_builder

    try:
        return bool(cpp_builder.get_cpp_compiler())
    except Exception:
        return False


def _same_when_compiled(subject: Subject, samples: Sequence[Sample], mend: str, **options) -> Evidence:
    worst = Worst()

    def test(sample: Sample) -> None:
        sizes = [sample, *_larger(subject, sample)] if options.get("dynamic") else [sample]
        eager = eagerly(lambda: [value_and_gradients(subject.function, s) for s in sizes])

        def run(function: Callable) -> list[tuple[list[Tensor], list[Tensor]]]:
            with clean_compiler():
                program = compiled(function, **options)
                return [run_compiled(program, s) for s in sizes]

        try:
            found = attempt(subject, run)
        except Exception as error:
            raise _refused(subject, error) from None
        for s, (values, grads), (expected, slopes) in zip(sizes, found, eager, strict=True):
            of = f"{' of ' + s.label if s.label else ''}{' with the first axis doubled' if s is not sample else ''}"
            if subject.draws and not all(map(torch.equal, values, expected)):
                raise DoesNotApply("compiled, it draws other random numbers, as PyTorch allows")
            for y, e in zip(values, expected, strict=True):
                worst.close(y, e, f"the compiled value{of}", SAME)
            for i, (g, e) in enumerate(zip(grads, slopes, strict=True)):
                worst.close(g, e, f"the compiled gradient of input {i}{of}", SAME)

    each(samples, test)
    return worst.evidence()


def _refused(subject: Subject, error: Exception) -> Exception:
    """The compiler's error, or the fault behind it if its message would not tell."""
    if "Unsupported custom jvp" in str(error) or "Unsupported custom vjp" in str(error):
        rule = "jvp" if "custom jvp" in str(error) else "vjp"
        culprits = [cls for cls in subject.rules if has_rule(cls, rule)]
        return Fault(f"torch.compile refuses {names(culprits)} for having a {rule}.", allow(culprits))
    return error


def _larger(subject: Subject, sample: Sample) -> list[Sample]:
    """The sample with a first axis twice as long: of all tensors that share its length, else of the first alone."""
    first = sample.inputs[0] if sample.inputs else None
    if first is None or not first.dim():
        return []
    for shared in (True, False):

        def double(t: Tensor, shared: bool = shared) -> Tensor:
            alike = t.dim() and t.shape[0] == first.shape[0] if shared else t is first
            return torch.cat([t, t]).detach().requires_grad_(t.requires_grad) if alike else t

        doubled = sample.map(double)
        try:
            call(subject.function, fresh(doubled))
            if subject.spec.reference is not None:
                call(subject.reference, fresh(doubled))
        except Exception:
            continue
        return [doubled]
    return []

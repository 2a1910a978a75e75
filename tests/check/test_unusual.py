"""Right functions that look unusual: no property blames them."""

import pytest
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from manualnet.check import Sample, check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)
INDEX = torch.tensor([2, 0, 1])
PROPERTIES = [
    "strides",
    "broadcasting",
    "gradient form",
    "needs input grad",
    "nothing mutated",
    "changes noticed",
    "memory",
    "no cycle",
    "extremes",
    "kinks",
    "same tensor twice",
    "deterministic",
    "empty and scalar",
]


class MinMax(Function):
    """Several results, one of them of integers, one None, and cotangents that may not come."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        low, where = x.min(-1)
        ctx.mark_non_differentiable(where)
        ctx.save_for_backward(x, where)
        return low, x.sum(), where, None

    @staticmethod
    def backward(ctx, grad_low, grad_sum, grad_where, grad_none):
        x, where = ctx.saved_tensors
        grad = torch.zeros_like(x) if grad_sum is None else grad_sum.expand_as(x)
        if grad_low is not None:
            spread = torch.zeros_like(x).scatter(-1, where.unsqueeze(-1), grad_low.unsqueeze(-1))
            grad = grad + spread
        return grad


class Take(Function):
    """An index, a number and a text among the arguments."""

    @staticmethod
    def forward(ctx, table, index, scale, mode):
        ctx.save_for_backward(index)
        ctx.shape, ctx.scale, ctx.mode = table.shape, scale, mode
        return table[index] * scale

    @staticmethod
    def backward(ctx, grad_out):
        (index,) = ctx.saved_tensors
        grad = grad_out.new_zeros(ctx.shape).index_add(0, index, grad_out * ctx.scale)
        return grad, None, None, None


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out):
        return ctx.saved_tensors[0].cos() * grad_out


class Identity(Function):
    """Returns a view of its input."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out


class Reversed(Function):
    """Wrong as a derivative, and meant so: gradient reversal."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_out):
        return -grad_out


class Rounded(Function):
    """A straight-through estimator."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out


class Vjp(Function):
    """The rule under its other name, in the newer style, with keyword defaults."""

    @staticmethod
    def forward(x, factor=2.0):
        return x * factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.factor = inputs[1] if len(inputs) > 1 else 2.0

    @staticmethod
    def vjp(ctx, grad_out):
        return grad_out * ctx.factor, None


class Embedded(Function):
    """Integers in, floats out, nothing to differentiate but the table."""

    @staticmethod
    def forward(ctx, index, table):
        ctx.save_for_backward(index)
        ctx.rows = len(table)
        return table[index]

    @staticmethod
    def backward(ctx, grad_out):
        (index,) = ctx.saved_tensors
        return None, grad_out.new_zeros(ctx.rows, *grad_out.shape[1:]).index_add(0, index, grad_out)


class Boxed(Function):
    """Cotangents come in a list."""

    boxed_grads_call = True

    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, grads):
        return 3 * grads.pop()


def packed(parts: list[Tensor], scale: dict[str, Tensor]) -> dict[str, Tensor]:
    """Lists and dicts, in and out."""
    return {"sum": parts[0] + parts[1] * scale["by"], "count": torch.tensor(len(parts))}


def detached(x: Tensor) -> Tensor:
    """No result depends on the input."""
    return x.detach() * 2


CASES = {
    "several results": (MinMax, X),
    "an index": (Take, X, INDEX, 2.0, "rows"),
    "once differentiable": (Once, X),
    "identity": (Identity, X),
    "reversal": (Reversed, X),
    "straight through": (Rounded, X * 1.7),
    "vjp": (Vjp, X),
    "keyword default": (Vjp, X, 3.0),
    "integers first": (Embedded, INDEX, X),
    "boxed": (Boxed, X),
    "composition": (lambda x: torch.tanh(x).cumsum(0), X),
    "two of a kind": (lambda x, y: Take.apply(Once.apply(x) * y, INDEX, 1.0, "").sum(0), X, X + 1),
    "lists and dicts": (packed, [X, X + 1], {"by": X[0]}),
    "nothing to differentiate": (detached, X),
    "complex inside": (lambda x: torch.fft.fft(x).abs().square(), X),
    "float32": (Once, X.float()),
    "module": (torch.nn.Linear(4, 2, dtype=torch.float64), X),
}


@pytest.mark.parametrize("case", CASES)
def test_no_property_blames_a_right_function(case):
    function, *inputs = CASES[case]
    report = check(function, *inputs, only=PROPERTIES)
    assert report.passed, [(r.property, r.wrong) for r in report.failures]
    assert len(list(report)) == len(PROPERTIES)


@pytest.mark.parametrize("case", CASES)
def test_nor_beside_itself_as_reference(case):
    function, *inputs = CASES[case]
    reference = function.apply if isinstance(function, type) else function
    report = check(function, *inputs, reference=reference, only=PROPERTIES)
    assert report.passed, [(r.property, r.wrong) for r in report.failures]


def test_samples_of_many_forms_pass_together():
    samples = [
        Sample((X.clone().requires_grad_(),), label="matrix"),
        Sample((X[0].clone().requires_grad_(),), label="vector"),
        Sample((X[0, 0].clone().requires_grad_(),), label="number"),
        Sample((X[:0].clone().requires_grad_(),), label="nothing"),
    ]
    report = check(Once, samples=samples, reference=torch.sin, only=PROPERTIES)
    assert report.passed, [(r.property, r.wrong) for r in report.failures]


def test_a_backward_that_raises_is_one_fault_and_not_many():
    class Raising(Once):
        @staticmethod
        def backward(ctx, grad_out):
            raise NotImplementedError("later")

    report = check(Raising, X, reference=torch.sin, only=[*PROPERTIES, "gradient"])
    assert {r.property for r in report.failures} == {"gradient", "gradient form"}
    assert "NotImplementedError: later" in report["gradient"].wrong
    assert "Mend the backward first" in report["gradient form"].mend
    assert report["strides"].why == "backward itself raises NotImplementedError: later"


def test_a_cotangent_that_is_written_to_spoils_no_comparison():
    class Writing(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad_out):
            return grad_out.mul_(ctx.saved_tensors[0])

    report = check(Writing, X, reference=torch.exp, only=[*PROPERTIES, "gradient", "numeric gradient"])
    assert {r.property for r in report.failures} == {"strides", "nothing mutated"}
    assert all("belongs to the caller" in r.mend for r in report.failures)


def test_a_gradient_that_is_missing_or_nan_is_not_blamed_on_extremes():
    class Missing(Once):
        @staticmethod
        def backward(ctx, grad_out):
            return None

    class Spoilt(Once):
        @staticmethod
        def backward(ctx, grad_out):
            return grad_out * torch.nan

    for function in (Missing, Spoilt):
        report = check(function, X, reference=torch.sin, only=[*PROPERTIES, "gradient"])
        assert [r.property for r in report.failures] == ["gradient"]

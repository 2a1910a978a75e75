"""Fifteen classic faults, each by the property that has to name it; and right functions that no property blames."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd import Function

from manualnet.check import check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)
Y = torch.linspace(0.5, 1.0, 12, dtype=torch.float64).reshape(3, 4)
W = torch.linspace(-1.0, 0.5, 20, dtype=torch.float64).reshape(5, 4)
BIAS = torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
CLASSES = torch.tensor([0, 2, 1])


class SavedIntermediate(Function):
    """SiLU that saves the sigmoid, which autograd takes for a constant."""

    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, grad_out):
        x, s = ctx.saved_tensors
        return grad_out * s * (1 + x * (1 - s))


class NoSetupContext(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return grad_out * y


class View(Function):
    """A linear layer that takes what it saved for contiguous."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.t()

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        rows = grad_out.reshape(-1, grad_out.shape[-1])
        return (rows @ weight).view(x.shape), rows.t() @ x.view(-1, x.shape[-1])


class BiasNotSummed(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        return grad_out @ weight, grad_out.t() @ x, grad_out


class NotDivided(Function):
    """The mean of squares, whose gradient forgets the number of elements."""

    @staticmethod
    def forward(ctx, x, target):
        ctx.save_for_backward(x, target)
        return ((x - target) ** 2).mean()

    @staticmethod
    def backward(ctx, grad_out):
        x, target = ctx.saved_tensors
        grad = 2 * (x - target) * grad_out
        return grad, -grad


class WritesCotangent(NoSetupContext):
    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        grad_out *= y
        return grad_out


class WritesCotangentData(NoSetupContext):
    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        grad_out.data.mul_(y)
        return grad_out


class WritesSaved(Function):
    """Past the version counter."""

    @staticmethod
    def forward(ctx, x):
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        y.data.pow_(2).neg_().add_(1)
        return grad_out * y


class WritesInput(NoSetupContext):
    @staticmethod
    def forward(ctx, x):
        x.data.clamp_(min=0)
        y = x.exp()
        ctx.save_for_backward(y)
        return y


class HoldsResult(NoSetupContext):
    @staticmethod
    def forward(ctx, x):
        ctx.y = x.exp()
        return ctx.y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.y


class HoldsResults(Function):
    """Not even the garbage collector frees several results of one call."""

    @staticmethod
    def forward(ctx, x):
        ctx.kept = {"results": [x.exp(), -x.exp()]}
        return tuple(ctx.kept["results"])

    @staticmethod
    def backward(ctx, grad_up, grad_down):
        return (grad_up - grad_down) * ctx.kept["results"][0]


class OnCpu(NoSetupContext):
    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return torch.zeros(y.shape, dtype=y.dtype) + grad_out * y


class Linear(Function):
    """As PyTorch's documentation has it; right but for autocast, and for what is newer than it."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x.mm(weight.t()) + bias

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            grad_out.mm(weight) if needs[0] else None,
            grad_out.t().mm(x) if needs[1] else None,
            grad_out.sum(0) if needs[2] else None,
        )


class Naive(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp() / (1 + x.exp())
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return grad_out * y * (1 - y)


class SteepAtZero(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x >= 0)


class NanAtZero(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * x / x.abs()


class ComputesAnyway(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        grads = grad_out * y, grad_out * x
        return tuple(g if need else None for g, need in zip(grads, ctx.needs_input_grad, strict=True))


class ByAddress(ComputesAnyway):
    """Two gradients under one key."""

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        grads = {x.data_ptr(): grad_out * y, y.data_ptr(): grad_out * x}
        return grads.pop(x.data_ptr()), grads.pop(y.data_ptr(), None)


class DroppedByCompile(Function):
    """A rule that is not forward's derivative, which shows when a compiled transform takes that in its place."""

    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_out):
        return -grad_out


FAULTS = {
    "saved intermediate": (SavedIntermediate, (X,), {}, "second derivative", ["Save only inputs and outputs"]),
    "no setup_context": (NoSetupContext, (X,), {}, "vmap", ["setup_context(ctx, inputs, output)"]),
    "stride assumption": (
        View,
        (X.reshape(3, 2, 2), W.reshape(10, 2)),
        {},
        "strides",
        ["transposed in memory", ".reshape in the place of .view"],
    ),
    "not summed": (BiasNotSummed, (X, W, BIAS), {}, "broadcasting", ["argument 2 of shape (5,)", "sum_to_size"]),
    "missing 1/N": (NotDivided, (X, Y), {}, "numeric gradient", ["12 times the right one"]),
    "missing 1/N, by the reference": (
        NotDivided,
        (X, Y),
        {"reference": nn.functional.mse_loss},
        "gradient",
        ["12 times the right one"],
    ),
    "mutated cotangent": (WritesCotangent, (X,), {}, "nothing mutated", ["changes its cotangent", "grad_out * y"]),
    "mutated cotangent's data": (WritesCotangentData, (X,), {}, "nothing mutated", ["changes its cotangent"]),
    "mutated saved tensor": (WritesSaved, (X,), {}, "nothing mutated", ["changes the result in place"]),
    "mutated input": (WritesInput, (X,), {}, "nothing mutated", ["changes tensor argument 0", "mark_dirty"]),
    "ctx cycle": (HoldsResult, (X,), {}, "no cycle", ["holds its result as ctx.y", "save_for_backward"]),
    "ctx cycle of several": (HoldsResults, (X,), {}, "no cycle", ["holds its result as ctx.kept"]),
    "CPU constant": (OnCpu, (X,), {}, "device", ["on the CPU", "zeros_like"]),
    "dtype lost": (Linear, (X, W, BIAS), {"reference": nn.functional.linear}, "autocast", ["dtype", "Cast the inputs"]),
    "naive sigmoid": (Naive, (X,), {}, "extremes", ["is nan, in float64 1", "exp of numbers that are not positive"]),
    "wrong subgradient": (SteepAtZero, (X,), {"reference": torch.relu}, "kinks", ["at 0", "strict comparison"]),
    "no subgradient": (NanAtZero, (X,), {}, "kinks", ["at 0", "is nan, where the value is finite", "torch.sign"]),
    "ignored needs_input_grad": (ComputesAnyway, (X, Y), {}, "needs input grad", ["aten::mul", "needs_input_grad[i]"]),
    "double use": (ByAddress, (X, Y), {}, "same tensor twice", ["one tensor as inputs 0 and 1", "1/2 times"]),
    "dropped by compile": (DroppedByCompile, (X,), {}, "compile keeps the rule", ["drop the rule", "allow_in_graph"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_its_property(fault):
    function, inputs, options, name, words = FAULTS[fault]
    result = check(function, *inputs, only=[name], **options)[name]
    assert result.failed
    for word in words:
        assert word in f"{result.wrong} {result.mend}"


@pytest.mark.parametrize(
    ("function", "innocent"),
    [
        (WritesCotangent, ["numeric gradient", "same tensor twice", "empty and scalar"]),
        (WritesSaved, ["numeric gradient", "same tensor twice", "changes noticed", "empty and scalar"]),
        (NoSetupContext, ["numeric gradient", "second derivative", "strides", "kinks", "extremes", "no cycle"]),
    ],
)
def test_a_fault_is_not_blamed_on_what_is_right(function, innocent):
    assert not [r.wrong for r in check(function, X, only=innocent).failures]


def test_a_gradient_of_a_shape_that_fits_nothing_is_one_of_broadcasting():
    class WrongAxis(ComputesAnyway):
        @staticmethod
        def backward(ctx, grad_out):
            x, y = ctx.saved_tensors
            return grad_out * y, (grad_out * x).sum(0)

    report = check(WrongAxis, X, Y[:, :1])
    assert "gradient of shape (4,) for its argument 1 of shape (3, 1)" in report["broadcasting"].wrong
    assert {r.property for r in report.failures} <= {"gradient", "numeric gradient", "broadcasting", "gradient form"}


class Summary(Function):
    """Right: a statistic beside the result that is none of the derivative's business."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        mean = x.mean()
        ctx.mark_non_differentiable(mean)
        return x * x, mean

    @staticmethod
    def backward(ctx, grad_out, grad_mean):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_out


class Product(Function):
    """Right: where types are mixed, the engine rounds, as it does for torch.mul."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            (grad_out * y).sum_to_size(x.shape) if needs[0] else None,
            (grad_out * x).sum_to_size(y.shape) if needs[1] else None,
        )


class Temporary(Function):
    """Right once: backward writes to a tensor of its own."""

    @staticmethod
    def forward(ctx, x, target):
        ctx.save_for_backward(x, target)
        return nn.functional.cross_entropy(x, target, reduction="sum")

    @staticmethod
    def backward(ctx, grad_out):
        x, target = ctx.saved_tensors
        p = x.softmax(-1)
        p[torch.arange(len(target), device=x.device), target] -= 1
        return p * grad_out, None


class InPlace(Function):
    @staticmethod
    def forward(ctx, x):
        x.exp_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.saved_tensors[0]


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.clone()


# What these do not claim to have: forward mode and transforms, and so the compiler's; InPlace has no second derivative
# of its own, Linear no autocast.
NEW = ["forward mode", "vmap", "per sample gradient", "jacobian", "hessian", "compile keeps the rule"]
RIGHT = {
    "documented linear layer": (Linear, (X, W, BIAS), [*NEW, "autocast"]),
    "statistic": (Summary, (X,), NEW),
    "mixed types": (Product, (X, X[0]), NEW),
    "one gradient asked for": (Product, (X.clone().requires_grad_(), Y), NEW),
    "shared memory": (Product, (X, X), NEW),
    "expanded": (Product, (X[0].expand(3, 4), Y), NEW),
    "own temporary": (Temporary, (X, CLASSES), [*NEW, "second derivative"]),
    "in place": (lambda x: InPlace.apply(x.clone()), (X,), NEW),
    "straight-through": (StraightThrough, (X,), [*NEW, "numeric gradient"]),
    "module in float32": (nn.Linear(4, 3), (X.float(),), []),
    "partial": (partial(torch.softmax, dim=-1), (X,), []),
    "dict": (lambda x, y: {"product": x * y, "sums": [x.sum(), y.sum()]}, (X, Y), []),
    "list": (lambda parts, w: torch.cat(parts) @ w, ([X, Y], W[0]), []),
    "domain": (torch.acos, (X / 4,), []),
    "mask": (lambda x, mask: torch.where(mask, x * x, 0.0), (X, X > 0), []),
    "single number": (torch.sin, (X[0, 0],), []),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_is_blamed_for_nothing(name):
    function, inputs, skipped = RIGHT[name]
    skip = [*skipped, "inductor", "compile dynamic", "export"]
    assert not {r.property: r.wrong for r in check(function, *inputs, skip=skip).failures}


def test_a_leaf_that_cannot_be_written_to_is_told_from_a_fault():
    [result] = check(InPlace, X)
    assert "x.clone()" in result.mend


def test_what_runs_in_float32_alone_is_told_from_a_fault():
    weight = W.float()
    [result] = check(lambda x: x @ weight.t(), X.float())
    assert "It runs in float32" in result.mend


def test_complex_inputs_are_refused_with_what_to_do():
    z = torch.complex(X, Y)
    with pytest.raises(ValueError, match=r"view_as_real\(F\.apply\(torch\.view_as_complex\(x\)\)\)"):
        check(torch.square, z)
    report = check(
        lambda x: torch.view_as_real(torch.square(torch.view_as_complex(x))),
        torch.view_as_real(z),
        only=["numeric gradient", "second derivative", "nothing mutated", "deterministic"],
    )
    assert report.passed

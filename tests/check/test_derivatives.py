"""Broken rules that the value, the gradient, the second derivative, forward mode, vmap and torch.func give away."""

import pytest
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from manualnet.check import Kink, Sample, Spec, check, prove

torch.manual_seed(0)
X = torch.randn(3, 4, dtype=torch.float64)


class Cube(Function):
    """x³, as it should be written."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return 3 * grad_out * x**2

    jvp = backward


def cube(x):
    return x**3


MINE = [
    "value",
    "precision",
    "gradient",
    "numeric gradient",
    "second derivative",
    "forward mode",
    "vmap",
    "batched cotangents",
    "per sample gradient",
    "jacobian",
    "hessian",
]


def failures(function, *inputs, **options):
    report = check(function, *inputs, only=MINE, **options)
    return {r.property: r for r in report.failures}


def test_a_right_function_passes():
    report = check(Cube, X, reference=cube, only=MINE)
    assert [r.property for r in report if not r.passed] == []
    report.raise_for_failures()


@pytest.mark.parametrize(
    "function",
    [torch.nn.functional.silu, lambda x: torch.stack([x.sin(), x.cos()]), lambda x: (x.sin(), {"twice": 2 * x})],
)
def test_what_pytorch_derives_passes_without_a_reference(function):
    report = check(function, X, only=MINE)
    assert not report.failures
    assert report["gradient"].status == "does not apply"
    assert "no reference" in report["gradient"].why


def variant(**methods):
    return type("Variant", (Cube,), {name: staticmethod(f) for name, f in methods.items()})


def test_a_wrong_value():
    found = failures(variant(forward=lambda x: x**3 + 1), X, reference=cube)
    assert list(found) == ["value"]
    assert found["value"].error == pytest.approx(1)
    assert found["value"].bound < 1e-10


WRONG = {
    "sign": (lambda ctx, g: -3 * g * ctx.saved_tensors[0] ** 2, "every sign is flipped"),
    "factor": (lambda ctx, g: g * ctx.saved_tensors[0] ** 2, "1/3 times the right one"),
    "forgotten": (lambda ctx, g: 0 * g, "0 throughout"),
    "one row": (lambda ctx, g: 3 * g * ctx.saved_tensors[0] ** 2 * torch.tensor([[1.0], [1], [2]]), "of 12 elements"),
    "nan": (lambda ctx, g: g * float("nan"), "not finite"),
}


@pytest.mark.parametrize(("backward", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_gradient(backward, words):
    broken = variant(backward=backward)
    found = failures(broken, X, reference=cube)
    assert {"gradient", "numeric gradient"} <= set(found)
    for name in ("gradient", "numeric gradient"):
        assert words in found[name].wrong
        assert "gradient of input 0 at [" in found[name].where
        assert "formula" in found[name].mend
    assert not {"value", "forward mode"} & set(found)
    assert "numeric gradient" in failures(broken, X)  # no reference is needed


def test_a_transposed_gradient():
    class Product(Function):
        @staticmethod
        def forward(x, w):
            return x @ w

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g @ w, g.t() @ x

    found = check(Product, torch.randn(3, 3), torch.randn(3, 3), reference=torch.matmul, only=["gradient"])
    assert "input 0" in found["gradient"].wrong
    found = check(
        lambda x, w: Product.apply(x, w.detach()),
        torch.eye(3),
        torch.randn(3, 3),
        reference=torch.matmul,
        only=["value"],
    )
    assert found.passed


def test_a_mean_that_forgets_to_divide():
    class Mean(Cube):
        @staticmethod
        def forward(x):
            return x.mean()

        @staticmethod
        def backward(ctx, grad_out):
            return grad_out.expand_as(ctx.saved_tensors[0])

    found = failures(Mean, X, reference=torch.mean)
    assert "12 times the right one" in found["gradient"].wrong
    assert "12 times the right one" in found["numeric gradient"].wrong


def test_a_saved_intermediate_spoils_the_second_derivative():
    class Exponential(Function):
        @staticmethod
        def forward(ctx, x):
            e = x.exp()
            ctx.save_for_backward(e)
            return e + 0

        @staticmethod
        def backward(ctx, grad_out):
            return grad_out * ctx.saved_tensors[0]

    found = failures(Exponential, X, reference=torch.exp)
    assert "gradient" not in found
    assert "second derivative" in found["second derivative"].wrong
    assert "saves a tensor that is neither an input nor an output" in found["second derivative"].mend


def test_a_detached_backward_spoils_the_second_derivative():
    found = failures(variant(backward=lambda ctx, g: 3 * g * ctx.saved_tensors[0].detach() ** 2), X, reference=cube)
    assert "second derivative" in found
    assert "gradient" not in found


def test_once_differentiable_is_not_blamed():
    class Once(Cube):
        @staticmethod
        @once_differentiable
        def backward(ctx, grad_out):
            return 3 * grad_out * ctx.saved_tensors[0] ** 2

    report = check(Once, X, only=["second derivative"])
    assert report["second derivative"].status == "does not apply"
    assert "once_differentiable" in report["second derivative"].why


class OldStyle(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_out):
        return 3 * grad_out * ctx.saved_tensors[0] ** 2


def test_without_setup_context_torch_func_fails():
    found = failures(OldStyle, X, reference=cube)
    assert set(found) == {"forward mode", "vmap", "per sample gradient", "jacobian", "hessian"}
    assert "setup_context" in found["vmap"].wrong
    assert "setup_context" in found["vmap"].mend
    assert "jvp" in found["forward mode"].wrong
    assert "save_for_forward" in found["forward mode"].mend


def test_without_a_vmap_rule_vmap_fails():
    class Unmapped(Cube):
        generate_vmap_rule = False

    found = failures(Unmapped, X, reference=cube)
    assert "vmap" in found
    assert "generate_vmap_rule = True" in found["vmap"].mend


def test_a_wrong_jvp():
    found = failures(variant(jvp=lambda ctx, t: 2 * t * ctx.saved_tensors[0] ** 2), X, reference=cube)
    assert "2/3" in found["forward mode"].wrong or "0.666667 times" in found["forward mode"].wrong
    assert "gradient" not in found
    assert "jacobian" in found


def test_an_item_in_backward_fails_under_vmap():
    broken = variant(backward=lambda ctx, g: 3 * g * ctx.saved_tensors[0] ** 2 * (1 if g.sum().item() else 0))
    found = failures(broken, X, reference=cube)
    assert "per sample gradient" in found
    assert ".item()" in found["per sample gradient"].mend
    assert not {"gradient", "numeric gradient"} & set(found)


def test_half_precision_that_adds_up_in_half_precision():
    class Norm(Cube):
        @staticmethod
        def forward(x):
            total = torch.zeros((), dtype=x.dtype)
            for element in x.flatten():
                total = total + element**2
            return total

        @staticmethod
        def backward(ctx, grad_out):
            return 2 * grad_out * ctx.saved_tensors[0]

    found = failures(Norm, torch.rand(24, 24), reference=lambda x: (x**2).sum())
    assert set(found) - {"forward mode", "jacobian", "hessian", "vmap", "per sample gradient"} == {"precision"}
    assert "round once" in found["precision"].mend


class Relu(Cube):
    @staticmethod
    def forward(x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (ctx.saved_tensors[0] > 0)

    jvp = backward


@pytest.mark.parametrize("at", [0.0, 1e-5, -3e-5, 1.5e-4])
def test_samples_at_a_kink_are_moved_and_the_gradient_not_blamed(at):
    report = check(Relu, torch.tensor([at, 1.0, -1.0], dtype=torch.float64), only=MINE)
    assert not report.failures
    assert any("1 element of the samples lay on or near a kink" in note for note in report.notes)


def test_ties_are_moved_and_the_gradient_not_blamed():
    report = check(torch.amax, torch.tensor([[2.0, 2.0, 1.0]]), kwargs={"dim": 1}, only=MINE)
    assert not report.failures
    assert any("kink or a tie" in note for note in report.notes)


def test_kinks_of_the_slope_are_moved_for_the_second_derivative():
    def quadratic_then_linear(x):
        return torch.nn.functional.huber_loss(x, torch.zeros_like(x), reduction="none")

    report = check(quadratic_then_linear, torch.tensor([1.0, -1.0, 0.3, 2.0]), only=["second derivative"])
    assert not report.failures
    assert any("2 elements" in note for note in report.notes)


def test_steep_smooth_functions_are_not_taken_for_kinked():
    report = check(lambda x: torch.tanh(20 * x), torch.linspace(-0.2, 0.2, 9), only=MINE)
    assert not report.failures
    assert not any("kink" in note for note in report.notes)


def test_float32_is_widened_and_said():
    report = check(Cube, X.float(), reference=cube, only=MINE)
    assert not report.failures
    assert any("float32" in note and "float64" in note for note in report.notes)
    assert not check(Cube, X, reference=cube, only=["value"]).notes


def test_inputs_are_left_as_they_were():
    x = torch.tensor([0.0, 1.0])
    check(Relu, x, only=["numeric gradient"])
    assert x.tolist() == [0.0, 1.0]
    assert not x.requires_grad
    assert x.grad is None


def test_the_callers_generator_is_left_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(Cube, X, only=["numeric gradient"])
    assert torch.equal(torch.rand(2), expected)


def test_a_function_that_raises_fails_once():
    def refuses(x):
        raise RuntimeError("no such thing")

    report = check(refuses, X)
    assert [r.property for r in report.failures] == ["value"]
    assert "no such thing" in report["value"].wrong


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((), {}, "no tensor"),
        ((3.0,), {}, "no tensor"),
        ((torch.tensor([1, 2]),), {}, "int64"),
        ((X,), {"only": ["gradeint"]}, "gradeint"),
        ((X,), {"skip": ["nothing"]}, "nothing"),
    ],
)
def test_mistakes_of_the_caller(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        check(Cube, *arguments, **options)


def test_integers_beside_floats():
    def pick(x, index):
        return x.gather(1, index)

    assert not check(pick, X, torch.tensor([[0], [1], [3]]), reference=pick, only=MINE).failures


def test_several_inputs_and_constants():
    class Scaled(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, y, power, name):
            return x**power * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, y, ctx.power, _ = inputs
            ctx.save_for_backward(x, y)
            ctx.save_for_forward(x, y)

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * ctx.power * x ** (ctx.power - 1) * y, g * x**ctx.power, None, None

        @staticmethod
        def jvp(ctx, x_t, y_t, _power, _name):
            x, y = ctx.saved_tensors
            return ctx.power * x ** (ctx.power - 1) * y * x_t + x**ctx.power * y_t

    report = check(Scaled, X, torch.randn(3, 4), 2, "name", reference=lambda x, y, p, n: x**p * y, only=MINE)
    assert not report.failures


def test_raise_for_failures_names_property_fault_and_cure():
    report = check(variant(backward=WRONG["sign"][0]), X, reference=cube, only=["value", "gradient"])
    with pytest.raises(AssertionError, match=r"(?s)Variant fails 1 of 2 .*gradient: .*every sign is flipped.*formula"):
        report.raise_for_failures()


def test_random_functions_are_seeded():
    spec = Spec("noisy", lambda x: x**2 * torch.rand_like(x), [Sample((X.clone().requires_grad_(),))], random=True)
    assert not prove(spec, only=MINE).failures


def test_stop_early_ends_at_the_first_failure():
    spec = Spec("broken", variant(backward=WRONG["sign"][0]), [Sample((X.clone().requires_grad_(),))], cube)
    assert [r.property for r in prove(spec, only=MINE, stop_early=True)] == ["value", "gradient"]
    assert isinstance(spec.kinks, tuple)
    assert Kink(Sample((X,)), (X,)).like_reference

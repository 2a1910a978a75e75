"""Functions that do not compile, compile to something else, or lose their rule on the way; and those that are right."""

import shutil

import pytest
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from manualnet.check import PROPERTIES, check
from manualnet.check.compiler import clean_compiler

COMPILE, DYNAMIC, RULE = "compile", "compile dynamic", "compile keeps the rule"


class Square(Function):
    """Right, and not allowed in the graph."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * ctx.saved_tensors[0] * grad_out


class WithJvp(Square):
    @staticmethod
    def jvp(ctx, tangent):
        return 2 * ctx.saved_tensors[0] * tangent


class WithVjp(Square):
    backward = Function.backward

    @staticmethod
    def vjp(ctx, grad_out):
        return 2 * ctx.saved_tensors[0] * grad_out


class OldStyle(Function):
    @staticmethod
    def forward(ctx, x, power=2):
        ctx.save_for_backward(x)
        ctx.power = power
        return x**power

    @staticmethod
    def backward(ctx, grad_out):
        return ctx.power * ctx.saved_tensors[0] ** (ctx.power - 1) * grad_out, None


class Once(OldStyle):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out):
        return ctx.power * ctx.saved_tensors[0] ** (ctx.power - 1) * grad_out, None


class NoVmap(Square):
    generate_vmap_rule = False


class Several(Function):
    """Three results, one of whole numbers, and an integer input, whose gradient is None."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, index):
        return x * 2, index + 1, x.sum()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, grad_out, _, grad_sum):
        return 2 * grad_out + grad_sum, None


class Rounded(Function):
    """Straight through: its forward is flat, its rule is not."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.round()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out


def allowed(function):
    """A copy of the class that the compiler takes as it is."""
    return torch.compiler.allow_in_graph(type(f"Allowed{function.__name__}", (function,), {}))


def changed(**methods):
    name = next(iter(methods.values())).__name__
    return type(name, (Square,), {key: staticmethod(method) for key, method in methods.items()})


def branch(ctx, grad_out):
    return 2 * ctx.saved_tensors[0] * grad_out if grad_out.sum() > -100 else grad_out


def forward_branch(x):
    return x * x if x.sum() > 0 else x.square()


def prints(x):
    print(end="")
    return x * x


def address(x):
    return x * x * min(1, x.data_ptr())


def another_when_compiled(x):
    return x * x * (2 if torch.compiler.is_compiling() else 1)


def another_rule_when_compiled(ctx, grad_out):
    return (3 if torch.compiler.is_compiling() else 2) * ctx.saved_tensors[0] * grad_out


def result(function, name, *inputs, **options):
    inputs = inputs or (torch.randn(3, 4, dtype=torch.float64),)
    return check(function, *inputs, only=[name], **options)[name]


@pytest.mark.parametrize(("function", "rule"), [(WithJvp, "jvp"), (WithVjp, "vjp")])
def test_a_rule_that_the_compiler_refuses(function, rule):
    found = result(function, COMPILE)
    assert found.failed
    assert found.wrong == f"torch.compile refuses {function.__name__} for having a {rule}."
    assert f"torch.compiler.allow_in_graph({function.__name__})" in found.mend
    assert result(allowed(function), COMPILE).passed


@pytest.mark.parametrize("function", [changed(backward=branch), changed(forward=forward_branch)])
@pytest.mark.parametrize("make", [lambda f: f, allowed], ids=["traced", "allowed"])
def test_a_branch_on_data(function, make):
    found = result(make(function), COMPILE)
    assert found.failed
    assert "ata-dependent" in found.wrong
    assert "branches on data" in found.mend


def test_a_print():
    found = result(changed(forward=prints), COMPILE)
    assert found.failed
    assert "print" in found.mend


def test_an_address():
    found = result(allowed(changed(forward=address)), COMPILE)
    assert found.failed
    assert "data pointer" in found.wrong
    assert "data_ptr()" in found.mend


@pytest.mark.parametrize(
    ("methods", "what"),
    [
        ({"forward": another_when_compiled}, "the compiled value"),
        ({"backward": another_rule_when_compiled}, "the compiled gradient of input 0"),
    ],
)
def test_another_program_when_compiled(methods, what):
    found = result(changed(**methods), COMPILE)
    assert found.failed
    assert what in found.wrong
    assert found.error > found.bound
    assert "depend on what the compiler does not see" in found.mend


RIGHT = {
    "composition": (torch.nn.functional.silu, ()),
    "not allowed": (Square, ()),
    "allowed": (allowed(WithJvp), ()),
    "old style": (OldStyle, (torch.rand(3, 4), 3)),
    "once": (Once, (torch.rand(3, 4),)),
    "several": (Several, (torch.rand(3), torch.tensor(1))),
    "several, allowed": (allowed(Several), (torch.rand(3), torch.tensor(1))),
    "a list": (lambda xs, scale: scale * Square.apply(xs[0]) + xs[1], ([torch.rand(3), torch.rand(3)], 0.5)),
}


@pytest.mark.parametrize(("function", "inputs"), RIGHT.values(), ids=RIGHT)
@pytest.mark.parametrize("name", [COMPILE, DYNAMIC])
def test_right(function, inputs, name):
    found = result(function, name, *inputs)
    assert found.passed, found.wrong
    assert found.bound is not None


@pytest.mark.parametrize("name", [COMPILE, DYNAMIC, RULE])
def test_a_backward_that_raises_is_another_propertys_matter(name):
    def raises(ctx, grad_out):
        raise ValueError("no gradient")

    found = result(changed(backward=raises), name)
    assert found.status == "does not apply"
    assert "ValueError: no gradient" in found.why


@pytest.mark.parametrize("name", [COMPILE, DYNAMIC, RULE, "export"])
def test_a_wrong_gradient_is_another_propertys_matter(name):
    def half(ctx, grad_out):
        return ctx.saved_tensors[0] * grad_out.view(-1).view(grad_out.shape)

    assert not result(allowed(changed(backward=half)), name, reference=torch.square).failed


def test_what_the_reference_cannot_either():
    def reads(x):
        return x * x if x.sum() > -100 else x

    found = result(changed(forward=forward_branch), COMPILE, reference=reads)
    assert found.status == "does not apply"
    assert "the reference does not either" in found.why


def test_a_size_that_must_be_an_int():
    class Repeated(Function):
        @staticmethod
        def forward(ctx, x, times):
            if not isinstance(times, int):
                raise TypeError(f"times must be int, not {type(times).__name__}")
            ctx.times = times
            return x * times

        @staticmethod
        def backward(ctx, grad_out):
            return grad_out * ctx.times, None

    function = allowed(Repeated)
    found = result(function, DYNAMIC, torch.rand(3), 3)
    assert found.failed
    assert "TypeError" in found.wrong
    assert "torch.SymInt" in found.mend
    assert result(function, COMPILE, torch.rand(3), 3).passed


def test_sizes_change():
    sizes = []

    def noted(x, w):
        sizes.append(x.shape[0])
        return Square.apply(x) @ w

    assert result(noted, DYNAMIC, torch.rand(3, 4), torch.rand(4, 2)).passed
    assert 6 in sizes


@pytest.mark.parametrize("function", [Square, WithJvp, NoVmap, OldStyle, Once, Rounded])
def test_a_dropped_rule(function):
    found = result(function, RULE)
    assert found.failed
    assert "torch.func.grad and torch.func.vmap(torch.func.grad)" in found.wrong
    assert f"drop the rule of {function.__name__}" in found.wrong
    assert f"torch.compiler.allow_in_graph({function.__name__})" in found.mend
    assert ("Split forward" in found.mend) == issubclass(function, OldStyle)
    assert ("generate_vmap_rule" in found.mend) == (function is NoVmap)


def test_the_class_that_loses_its_rule_is_named():
    kept = allowed(WithJvp)
    found = result(lambda x: kept.apply(Rounded.apply(x)), RULE, torch.tensor([1.3, 2.4]))
    assert found.failed
    assert "the rule of Rounded and" in found.wrong
    assert "AllowedWithJvp" not in found.wrong + found.mend


@pytest.mark.parametrize(
    ("function", "ran"),
    [
        (WithJvp, "the call, torch.func.grad, torch.func.vmap(torch.func.grad), torch.func.jvp"),
        (WithVjp, "the call"),
        (NoVmap, "the call, torch.func.grad"),
        (OldStyle, "the call"),
        (Once, "the call"),
        (Rounded, "the call, torch.func.grad, torch.func.vmap(torch.func.grad)"),
    ],
)
def test_a_kept_rule(function, ran):
    found = result(allowed(function), RULE)
    assert found.passed, found.wrong
    assert found.why == f"the rules ran in {ran}"


def test_several_results_keep_their_rule():
    assert result(allowed(Several), RULE, torch.rand(3), torch.tensor(1)).passed


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (torch.sin, "no torch.autograd.Function"),
        (changed(backward=lambda ctx, grad_out: torch.zeros_like(grad_out)), "its gradient stays the same"),
    ],
)
def test_nothing_to_keep(function, why):
    found = result(function, RULE)
    assert found.status == "does not apply"
    assert why in found.why


def test_random_numbers():
    class Noise(Square):
        @staticmethod
        def forward(x, noise):
            return x * noise

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[1])

        @staticmethod
        def backward(ctx, grad_out):
            return grad_out * ctx.saved_tensors[0], None

    keeps = allowed(Noise)
    for cls, status in ((keeps, "passed"), (Noise, "failed")):

        def noisy(x, cls=cls):
            return cls.apply(x, torch.rand_like(x))

        assert result(noisy, RULE).status == status
        assert result(noisy, COMPILE).passed


def test_classes_are_left_as_they_were():
    before = {cls: dict(vars(cls)) for cls in (Square, NoVmap, WithVjp)}
    for cls in before:
        result(cls, RULE)
    assert all(dict(vars(cls)) == kept for cls, kept in before.items())


def test_a_compilation_that_fails_in_forward_mode_leaves_it():
    def jvp(ctx, tangent):
        raise ValueError("no tangent")

    function = allowed(changed(jvp=jvp))
    with pytest.raises(Exception, match="no tangent"), clean_compiler():
        torch.compile(lambda x: torch.func.jvp(function.apply, (x,), (x,)), backend="aot_eager")(torch.ones(2))
    assert torch.func.jvp(torch.sin, (torch.zeros(2),), (torch.ones(2),))[1].tolist() == [1, 1]


def test_inductor_runs_when_asked_for():
    if not shutil.which("g++"):
        pytest.skip("Inductor needs a C++ compiler")
    assert result(allowed(WithJvp), "inductor").passed
    unasked = check(torch.sin, torch.rand(3), skip=[name for name in PROPERTIES if name != "inductor"])["inductor"]
    assert unasked.status == "does not apply"
    assert 'only=["inductor"]' in unasked.why

"""Functions that write where they should not."""

import pytest
import torch
from torch.autograd import Function

from manualnet.check import Sample, check

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


class Exp(Function):
    """Right."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.saved_tensors[0]


class MultipliedCotangent(Exp):
    @staticmethod
    def backward(ctx, grad_out):
        grad_out *= ctx.saved_tensors[0]
        return grad_out


class MulCotangent(Exp):
    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.mul_(ctx.saved_tensors[0])


class CotangentByIndex(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.relu()

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        grad_out[x < 0] = 0
        return grad_out


class CotangentThroughNumpy(Exp):
    """NumPy writes past autograd's version counter."""

    @staticmethod
    def backward(ctx, grad_out):
        array = grad_out.detach().numpy()
        array *= ctx.saved_tensors[0].detach().numpy()
        return grad_out


class SavedChanged(Function):
    """1 - y² in the memory of y."""

    @staticmethod
    def forward(ctx, x):
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return y.pow_(2).neg_().add_(1).mul_(grad_out)


class SavedInputChanged(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        x.data.mul_(2)
        return grad_out * x


class KeptThenChanged(Exp):
    """The factor shrinks with every backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.factor = x.exp()
        return x.exp()

    @staticmethod
    def backward(ctx, grad_out):
        grad = grad_out * ctx.factor
        ctx.factor = ctx.factor * 0.5
        return grad


class InputChanged(Function):
    @staticmethod
    def forward(ctx, x):
        return x.mul_(2).clone()

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * grad_out


class Dirty(Function):
    """Right: it says that it writes to its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * grad_out


class OwnBuffers(Exp):
    """Right: it writes to memory of its own."""

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.clone().mul_(ctx.saved_tensors[0])


class Counting(Function):
    """A buffer counts the calls."""

    @staticmethod
    def forward(ctx, x, count):
        count.add_(1)
        return 2 * x

    @staticmethod
    def backward(ctx, grad_out):
        return 2 * grad_out, None


class TangentChanged(Exp):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def jvp(ctx, tangent):
        return tangent.mul_(ctx.saved_tensors[0])


def mutated(function, *inputs, **options):
    return check(function, *inputs, only=["nothing mutated"], **options)["nothing mutated"]


@pytest.mark.parametrize("function", [Exp, OwnBuffers, torch.exp, lambda x: Dirty.apply(x + 1)])
def test_right_functions_pass(function):
    assert mutated(function, X).passed


@pytest.mark.parametrize("function", [MultipliedCotangent, MulCotangent, CotangentByIndex, CotangentThroughNumpy])
def test_a_changed_cotangent_is_found(function):
    result = mutated(function, X)
    assert result.failed
    assert f"the backward of {function.__name__} changes its cotangent in place" in result.wrong
    assert "in the place of grad_out *= y" in result.mend


def test_a_changed_cotangent_is_found_inside_a_chain():
    result = mutated(lambda x: Exp.apply(MulCotangent.apply(x.sin())).sum(), X)
    assert result.failed
    assert "MulCotangent changes its cotangent" in result.wrong


@pytest.mark.parametrize("function", [SavedChanged, SavedInputChanged])
def test_a_changed_saved_tensor_is_found(function):
    result = mutated(function, X)
    assert result.failed
    assert "backward changes" in result.wrong
    assert "in place" in result.wrong
    assert "y.sub_(1)" in result.mend


def test_another_gradient_the_second_time_is_found():
    result = mutated(KeptThenChanged, X)
    assert result.failed
    assert "by a second backward" in result.wrong
    assert "1/2 times" in result.wrong
    assert "no state from one backward to the next" in result.mend


def test_a_changed_input_is_found():
    result = mutated(InputChanged, X)
    assert result.failed
    assert "forward changes tensor argument 0 in place" in result.wrong
    assert "ctx.mark_dirty" in result.mend


def test_a_buffer_may_change_as_the_references_does():
    def counted(x, count):
        count.add_(1)
        return 2 * x

    def twice(x, count):
        count.add_(2)
        return 2 * x

    calls = [Sample((X.clone().requires_grad_(), torch.zeros(2, dtype=torch.float64)))]
    assert mutated(Counting, samples=calls, reference=counted).passed
    assert mutated(Counting, samples=calls).failed
    result = mutated(Counting, samples=calls, reference=twice)
    assert result.failed
    assert "tensor argument 1 after forward" in result.wrong


def test_a_changed_tangent_is_found():
    result = mutated(TangentChanged, X)
    assert result.failed
    assert "jvp changes the tangent in place" in result.wrong


def test_a_wrong_factor_is_not_blamed_on_it():
    class Doubled(Exp):
        @staticmethod
        def backward(ctx, grad_out):
            return 2 * grad_out * ctx.saved_tensors[0]

    assert mutated(Doubled, X).passed


class Redrawn(Function):
    """Draws its mask anew, and leaves the caller's generator where forward found it."""

    @staticmethod
    def forward(ctx, x):
        ctx.state = torch.get_rng_state()
        return x * (torch.rand(x.shape) > 0.5)

    @staticmethod
    def backward(ctx, grad_out):
        torch.set_rng_state(ctx.state)
        return grad_out * (torch.rand(grad_out.shape) > 0.5)


class RedrawnApart(Redrawn):
    """Right."""

    @staticmethod
    def backward(ctx, grad_out):
        with torch.random.fork_rng(devices=[]):
            return Redrawn.backward(ctx, grad_out)


class Seeding(Exp):
    @staticmethod
    def forward(ctx, x):
        torch.manual_seed(0)
        return Exp.forward(ctx, x)


class DefaultType(Exp):
    @staticmethod
    def forward(ctx, x):
        torch.set_default_dtype(x.dtype)
        return Exp.forward(ctx, x)


class Threads(Exp):
    @staticmethod
    def backward(ctx, grad_out):
        torch.set_num_threads(3)
        return Exp.backward(ctx, grad_out)


class WritesGrad(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return 2 * x

    @staticmethod
    def backward(ctx, grad_out):
        ctx.x.grad = 2 * grad_out
        return 2 * grad_out


@pytest.mark.parametrize("function", [torch.nn.functional.dropout, RedrawnApart])
def test_whoever_draws_may_move_the_generator_on(function):
    assert mutated(function, X).passed


@pytest.mark.parametrize(("function", "when"), [(Redrawn, "backward"), (Seeding, "forward")])
def test_a_generator_that_is_set_is_found(function, when):
    result = mutated(function, X)
    assert result.failed
    assert f"{when} sets PyTorch's generator" in result.wrong
    assert "fork_rng" in result.mend


@pytest.mark.parametrize(
    ("function", "wrong"),
    [(DefaultType, "forward changes the default type"), (Threads, "backward changes the number of threads")],
)
def test_settings_that_change_are_found_and_put_back(function, wrong):
    before = torch.get_default_dtype(), torch.get_num_threads()
    result = mutated(function, X)
    assert result.failed
    assert wrong in result.wrong
    assert (torch.get_default_dtype(), torch.get_num_threads()) == before


def test_settings_are_put_back_whatever_was_checked():
    before = torch.get_default_dtype()
    check(DefaultType, X, only=["value"], reference=torch.exp)
    assert torch.get_default_dtype() == before


def test_a_gradient_that_is_written_too_is_found():
    result = mutated(WritesGrad, X)
    assert result.failed
    assert "backward writes to the .grad of input 0" in result.wrong
    assert "count it twice" in result.mend

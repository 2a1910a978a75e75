"""Functions that autocast breaks, as people write them; and those that are right though they look odd."""

import pytest
import torch
import torch.nn.functional as F
from torch.amp import custom_bwd, custom_fwd
from torch.autograd import Function

from manualnet.check import check


class Product(Function):
    """Under autocast forward multiplies in bfloat16, and backward a float32 matrix with a bfloat16 cotangent."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x @ y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return grad_out @ y.t(), x.t() @ grad_out


class Cast(Product):
    """Right: everything in backward has the cotangent's type."""

    @staticmethod
    def backward(ctx, grad_out):
        x, y = (t.to(grad_out.dtype) for t in ctx.saved_tensors)
        return grad_out @ y.t(), x.t() @ grad_out


class Custom(Function):
    """Right, as PyTorch's own guide writes it: backward runs under autocast, and the engine casts."""

    @staticmethod
    @custom_fwd(device_type="cpu")
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x @ y

    @staticmethod
    @custom_bwd(device_type="cpu")
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return grad_out @ y.t(), x.t() @ grad_out


class Narrow(Function):
    """Its value stays in float32 and its gradient does not."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().mean()

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        if x.dtype == torch.float32:
            return 2 / x.numel() * x.bfloat16() * grad_out.bfloat16()
        return 2 / x.numel() * x * grad_out


class Exp(Function):
    """PyTorch's autocast leaves exp alone on a CPU; this one does not."""

    @staticmethod
    def forward(ctx, x):
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        y = x.to(kind).exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return grad_out * y


class Coarse(Function):
    """Of the right type, with numbers that went through half precision."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        if torch.is_autocast_enabled("cpu"):
            y = y.bfloat16().to(x.dtype)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        (y,) = ctx.saved_tensors
        return grad_out * y


class Lopsided(Function):
    """Right until one input is narrower than the other."""

    @staticmethod
    def forward(ctx, x, y):
        if x.dtype != y.dtype:
            raise TypeError("x and y must have one type")
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        return grad_out * y, grad_out * x


def product_cast_before(x, y):
    if torch.is_autocast_enabled("cpu"):
        kind = torch.get_autocast_dtype("cpu")
        x, y = (t.to(kind) if t.dtype == torch.float32 else t for t in (x, y))
    return Product.apply(x, y)


MATRICES = (torch.rand(3, 4), torch.rand(4, 2))


def result(function, *inputs, **options):
    return check(function, *inputs, only=["autocast"], **options)["autocast"]


@pytest.mark.parametrize("reference", [torch.mm, None], ids=["with reference", "without"])
def test_a_backward_that_multiplies_two_types(reference):
    found = result(Product, *MATRICES, reference=reference)
    assert found.failed
    assert "under autocast backward of Product raises RuntimeError" in found.wrong
    assert "dtype" in found.wrong
    assert "torch.get_autocast_dtype" in found.mend
    assert "saved tensors to the type of grad_out" in found.mend


def test_a_value_of_another_type():
    found = result(Exp, torch.rand(3, 4), reference=torch.exp)
    assert found.failed
    assert "under autocast the value is bfloat16, the reference's float32" in found.wrong


def test_numbers_that_went_through_half_precision():
    found = result(Coarse, torch.rand(3, 4), reference=torch.exp)
    assert found.failed
    assert "the value errs by" in found.wrong
    assert found.error > found.bound


def test_a_gradient_that_is_narrower_than_its_value():
    found = result(Narrow, torch.rand(3, 4), reference=lambda x: x.square().mean())
    assert found.failed
    assert "the gradient of input 0 errs by" in found.wrong
    assert "backward of Narrow gives bfloat16 for a float32 input" in found.wrong


def test_mixed_inputs():
    found = result(Lopsided, torch.rand(3), torch.rand(3), reference=torch.mul)
    assert found.failed
    assert "with input 0 in bfloat16 and the rest in float32 the call raises TypeError" in found.wrong
    assert result(Lopsided, torch.rand(3), torch.rand(3)).passed


@pytest.mark.parametrize("function", [Cast, Custom, product_cast_before, torch.mm])
@pytest.mark.parametrize("reference", [torch.mm, None], ids=["with reference", "without"])
def test_right(function, reference):
    found = result(function, *MATRICES, reference=reference)
    assert found.passed, found.wrong
    assert found.error <= found.bound


def test_compiled_alone():
    class OnlyEager(Cast):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            z = x @ y
            return z.float() if torch.compiler.is_compiling() and torch.is_autocast_enabled("cpu") else z

    found = result(OnlyEager, *MATRICES, reference=torch.mm)
    assert found.failed
    assert "under autocast, compiled, the value is float32, the reference's bfloat16" in found.wrong


def test_whole_numbers_and_no_gradient():
    def gather(x, index):
        return x.gather(0, index), index.sum(), x.detach()

    assert result(gather, torch.rand(3), torch.tensor([0, 2]), reference=gather).passed
    assert result(F.cross_entropy, torch.randn(3, 4), torch.tensor([0, 1, 2]), reference=F.cross_entropy).passed


def test_wrong_in_every_precision_is_another_propertys_matter():
    class Doubled(Cast):
        @staticmethod
        def backward(ctx, grad_out):
            return tuple(2 * g for g in Cast.backward(ctx, grad_out))

    assert result(Doubled, *MATRICES, reference=torch.mm).passed


def test_a_backward_that_raises_is_another_propertys_matter():
    class Raises(Cast):
        @staticmethod
        def backward(ctx, grad_out):
            raise ValueError("no gradient")

    found = result(Raises, *MATRICES, reference=torch.mm)
    assert found.status == "does not apply"
    assert "no gradient" in found.why


def test_what_the_reference_refuses():
    def refuses(x):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("unsafe to autocast")
        return x.exp()

    found = result(Exp, torch.rand(3), reference=refuses)
    assert found.status == "does not apply"
    assert "unsafe to autocast" in found.why


def test_random_numbers_of_another_type():
    assert not result(lambda x: x * torch.rand_like(x), torch.rand(3, 4)).failed

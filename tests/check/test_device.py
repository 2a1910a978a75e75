"""Functions that assume a CPU, as people write them; and those that are right though they look odd."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import Function

from manualnet.check import check

TWO = torch.tensor(2.0)
ROW = torch.arange(4.0)


class Square(Function):
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

    @staticmethod
    def jvp(ctx, tangent):
        return 2 * ctx.saved_tensors[0] * tangent


def with_backward(rule, name="backward"):
    return type(rule.__name__, (Square,), {name: staticmethod(rule)})


def constant_row(ctx, grad_out):
    return torch.full((4,), 2.0) * ctx.saved_tensors[0] * grad_out


def constant_of_a_module(ctx, grad_out):
    return (2 + 0 * ROW) * ctx.saved_tensors[0] * grad_out


def counted(ctx, grad_out):
    return 2 * ctx.saved_tensors[0] * grad_out + 0 * torch.arange(grad_out.shape[-1])


def gathered(ctx, grad_out):
    whole = torch.arange(grad_out.numel()).reshape(grad_out.shape)
    return 2 * ctx.saved_tensors[0] * grad_out.flatten().gather(0, whole.flatten()).reshape(grad_out.shape)


def filled(ctx, grad_out):
    grad = torch.zeros(grad_out.shape)
    grad += 2 * ctx.saved_tensors[0] * grad_out
    return grad


def chosen(ctx, grad_out):
    x = ctx.saved_tensors[0]
    return torch.where(x > 0, 2 * x * grad_out, 2 * x * grad_out + torch.zeros(4))


def noisy(ctx, grad_out):
    return 2 * ctx.saved_tensors[0] * grad_out + 0 * torch.rand(grad_out.shape)


MIXED = {
    constant_row: "aten.mul.Tensor",
    constant_of_a_module: "aten.mul.Tensor",
    counted: "aten.add.Tensor",
    gathered: "aten.gather.default",
    filled: "aten.add_.Tensor",
    chosen: "aten.add.Tensor",
    noisy: "aten.add.Tensor",
}


def copied(ctx, grad_out):
    return torch.zeros(grad_out.shape, dtype=grad_out.dtype).copy_(2 * ctx.saved_tensors[0] * grad_out)


def fetched(ctx, grad_out):
    return (2 * ctx.saved_tensors[0] * grad_out).cpu()


def new_zeros(ctx, grad_out):
    return torch.zeros(grad_out.shape, dtype=grad_out.dtype)


def array(ctx, grad_out):
    return torch.from_numpy(2 * ctx.saved_tensors[0].numpy() * grad_out.numpy())


def ufunc(ctx, grad_out):
    return torch.as_tensor(np.multiply(2 * ctx.saved_tensors[0], grad_out))


def a_number(ctx, grad_out):
    return torch.tensor(2.0) * ctx.saved_tensors[0] * grad_out


def a_number_of_a_module(ctx, grad_out):
    return TWO * ctx.saved_tensors[0] * grad_out


def an_index(ctx, grad_out):
    rows = torch.arange(grad_out.shape[0])  # PyTorch takes an index on the CPU for a tensor on a GPU
    return (2 * ctx.saved_tensors[0] * grad_out)[rows]


def where_it_is(ctx, grad_out):
    return 2 * ctx.saved_tensors[0] * grad_out + torch.zeros(4, device=grad_out.device)


def nothing(ctx, grad_out):
    return None


def branch(ctx, grad_out):
    return 2 * ctx.saved_tensors[0] * grad_out if grad_out.abs().sum() > 0 else grad_out


def item(ctx, grad_out):
    return 2 * ctx.saved_tensors[0] * grad_out * torch.ones(()).item()


def masked(ctx, grad_out):
    grad = 2 * ctx.saved_tensors[0] * grad_out
    return grad if not (bad := grad[grad.isnan()]).numel() else grad + bad.sum()


def by_way_of_the_cpu(ctx, grad_out):
    x = ctx.saved_tensors[0]
    return 2 * torch.from_numpy(x.cpu().numpy()).to(x.device) * grad_out


def result(function, *inputs, **options):
    inputs = inputs or (torch.randn(3, 4, dtype=torch.float64),)
    return check(function, *inputs, only=["device"], **options)["device"]


@pytest.mark.parametrize(("rule", "kernel"), MIXED.items())
def test_a_constant_on_the_cpu_in_backward(rule, kernel):
    found = result(with_backward(rule))
    assert found.failed
    assert (
        found.wrong == f"backward of {rule.__name__} mixes a tensor on the CPU with data on another device in {kernel}."
    )
    assert "device=grad_out.device" in found.mend


@pytest.mark.parametrize("rule", [copied, fetched, new_zeros])
def test_a_gradient_on_the_cpu(rule):
    found = result(with_backward(rule))
    assert found.failed
    assert found.wrong == f"backward of {rule.__name__} gives a gradient on the CPU, where the inputs are on a GPU."
    assert "torch.zeros_like" in found.mend


@pytest.mark.parametrize("rule", [array, ufunc])
def test_numpy_in_backward(rule):
    found = result(with_backward(rule))
    assert found.failed
    assert f"backward of {rule.__name__} makes an array of a tensor" in found.wrong
    assert "numpy" in found.mend


def test_in_forward():
    class Forward(Square):
        @staticmethod
        def forward(x):
            return x * x * torch.ones(4)

    found = result(Forward, torch.randn(4), reference=torch.square)
    assert found.failed
    assert "forward mixes" in found.wrong


def test_a_result_on_the_cpu():
    class Result(Square):
        @staticmethod
        def forward(x):
            return torch.zeros(x.shape, dtype=x.dtype).copy_(x * x)

    assert result(Result).wrong == "forward gives a result on the CPU, where the inputs are on a GPU."


def test_in_forward_mode():
    def jvp(ctx, tangent):
        return 2 * ctx.saved_tensors[0] * tangent + torch.zeros(4)

    found = result(with_backward(jvp, "jvp"))
    assert found.failed
    assert "jvp mixes" in found.wrong


@pytest.mark.parametrize("rule", [a_number, a_number_of_a_module, an_index, where_it_is, nothing])
def test_right_though_it_looks_odd(rule):
    assert result(with_backward(rule)).passed


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (F.silu, (torch.randn(3),)),
        (F.cross_entropy, (torch.randn(3, 4), torch.tensor([0, 1, 2]))),
        (lambda x: (x.sum(), x.argmax(), x.shape), (torch.randn(3),)),
    ],
)
def test_compositions(function, inputs):
    assert result(function, *inputs).passed


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (branch, "aten._local_scalar_dense.default"),
        (masked, "aten.nonzero.default"),
        (item, ".item()"),
        (by_way_of_the_cpu, "cannot be followed"),
    ],
)
def test_what_works_on_a_gpu_but_cannot_be_followed_is_not_blamed(rule, why):
    found = result(with_backward(rule))
    assert found.status == "does not apply"
    assert f"backward of {rule.__name__}" in found.why
    assert why in found.why


def test_a_backward_that_raises_is_another_propertys_matter():
    def raises(ctx, grad_out):
        raise ValueError("no gradient")

    found = result(with_backward(raises))
    assert found.status == "does not apply"
    assert "eagerly it raises ValueError: no gradient" in found.why


def test_a_jvp_that_raises_is_another_propertys_matter():
    def raises(ctx, tangent):
        raise ValueError("no tangent")

    assert result(with_backward(raises, "jvp")).passed


@pytest.mark.parametrize("function", [torch.nn.Linear(4, 2).double(), lambda x: Square.apply(x) * ROW])
def test_tensors_beside_the_arguments(function):
    found = result(function)
    assert found.status == "does not apply"
    assert "beside its arguments" in found.why


def test_a_constant_of_a_module_in_a_rule_is_no_such_tensor():
    function = with_backward(constant_of_a_module)
    assert result(lambda x: function.apply(x)).failed


def test_what_the_reference_cannot_either():
    def counts(x):
        return x * x.nonzero().numel()

    found = result(counts, reference=counts)
    assert found.status == "does not apply"

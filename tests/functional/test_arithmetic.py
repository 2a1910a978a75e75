"""What the specs cannot say of the arithmetic: the lecture's numbers, types, errors and compositions."""

import pytest
import torch
from torch.autograd import forward_ad

from manualnet import functional as F
from manualnet.reference import functional as twin

SEED = 20240122


def _gradients(function, *inputs, cotangent=None):
    inputs = [t.detach().clone().requires_grad_() if isinstance(t, torch.Tensor) else t for t in inputs]
    y = function(*inputs)
    cotangent = torch.ones_like(y) if cotangent is None else cotangent.to(y.dtype)
    return y.detach(), torch.autograd.grad(y, [t for t in inputs if isinstance(t, torch.Tensor)], cotangent)


def test_s59_worked_example():
    x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    q = F.add(x, y)
    f = F.mul(q, z)
    f.backward()
    assert (q.item(), f.item()) == (3.0, -12.0)
    assert [t.grad.item() for t in (x, y, z)] == [-4.0, -4.0, 3.0]


def test_s60_a_value_used_twice_accumulates():
    x = torch.tensor(3.0, requires_grad=True)
    F.add(F.mul(x, x), x).backward()
    assert x.grad.item() == 7.0


def test_s41_gradient_of_a_dot_product():
    w, x = torch.randn(5, requires_grad=True), torch.randn(5)
    F.matmul(w, x).backward()
    assert torch.equal(w.grad, x)


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        (torch.float32, torch.float64),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.bfloat16),
    ],
)
def test_types_are_promoted_and_gradients_come_back_in_their_input_type(name, left, right):
    x, y = torch.randn(3, 4).to(left), torch.randn(4).to(right)
    value, (grad_x, grad_y) = _gradients(getattr(F, name), x, y)
    expected, (expected_x, expected_y) = _gradients(getattr(torch, name), x, y)
    assert torch.equal(value, expected)
    assert (value.dtype, grad_x.dtype, grad_y.dtype) == (expected.dtype, left, right)
    torch.testing.assert_close(grad_x, expected_x)
    torch.testing.assert_close(grad_y, expected_y, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "sum", "matmul"])
def test_integers_as_in_pytorch(name):
    x = torch.arange(6).reshape(2, 3)
    args = {"sum": (x,), "matmul": (x, x.t())}.get(name, (x, 2))
    value, expected = getattr(F, name)(*args), getattr(torch, name)(*args)
    assert torch.equal(value, expected)
    assert value.dtype == expected.dtype
    assert not value.requires_grad


ERRORS = {
    "add, shapes": ("add", (torch.ones(3), torch.ones(4)), {}),
    "add, fractional alpha": ("add", (torch.arange(3), torch.arange(3)), {"alpha": 0.5}),
    "add, list": ("add", (torch.ones(1), [1.0]), {}),
    "sub, bool": ("sub", (torch.ones(2) > 0, torch.ones(2) > 0), {}),
    "mul, shapes": ("mul", (torch.ones(2, 3), torch.ones(2)), {}),
    "matmul, number": ("matmul", (torch.ones(2), 2.0), {}),
    "matmul, scalar": ("matmul", (torch.ones(2), torch.tensor(1.0)), {}),
    "matmul, sizes": ("matmul", (torch.ones(2, 3), torch.ones(2, 3)), {}),
    "matmul, types": ("matmul", (torch.ones(2, 3), torch.ones(3, 2).double()), {}),
    "sum, axis": ("sum", (torch.ones(2, 3), 2), {}),
    "sum, twice": ("sum", (torch.ones(2, 3), (0, -2)), {}),
    "mean, integer": ("mean", (torch.arange(3),), {}),
    "pad, odd": ("pad", (torch.ones(3), (1,)), {}),
    "pad, too many": ("pad", (torch.ones(3), (1, 1, 1, 1)), {}),
    "pad, shape": ("pad", (torch.ones(3), (1, 1), "reflect"), {}),
    "pad, reflect beyond": ("pad", (torch.ones(1, 3), (3, 0), "reflect"), {}),
    "pad, mode": ("pad", (torch.ones(1, 2, 3), (1, 1), "mirror"), {}),
    "pad, value": ("pad", (torch.ones(1, 2, 3), (1, 1), "reflect", 1.0), {}),
}


@pytest.mark.parametrize(("name", "args", "kwargs"), ERRORS.values(), ids=ERRORS)
def test_errors_have_pytorchs_type(name, args, kwargs):
    with pytest.raises(Exception) as expected:  # noqa: PT011
        getattr(twin, name)(*args, **kwargs)
    with pytest.raises(expected.type):
        getattr(F, name)(*args, **kwargs)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("add", (1.0,)),
        ("sub", (1.0,)),
        ("mul", (1.0,)),
        ("matmul", (torch.ones(2),)),
        ("sum", ()),
        ("mean", ()),
        ("pad", ((1, 1),)),
    ],
)
def test_complex_is_refused(name, args):
    with pytest.raises(NotImplementedError, match="real"):
        getattr(F, name)(torch.ones(2, dtype=torch.complex64), *args)


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_a_complex_number_is_refused(name):
    with pytest.raises(NotImplementedError, match="real numbers, but 1j came"):
        getattr(F, name)(torch.ones(2, requires_grad=True), 1j)


BFLOAT16 = {
    "add": (lambda ns, x, y: ns.add(x, y), [(64, 32), (32,)]),
    "mul": (lambda ns, x, y: ns.mul(x, y), [(64, 32), (32,)]),
    "matmul": (lambda ns, x, y: ns.matmul(x, y), [(4, 16, 32), (32, 8)]),
    "sum": (lambda ns, x: ns.sum(x, 0), [(64, 32)]),
    "mean": (lambda ns, x: ns.mean(x, 1), [(64, 32)]),
    "pad": (lambda ns, x: ns.pad(x, (7, 7), "circular"), [(2, 3, 8)]),
}


@pytest.mark.parametrize(("function", "shapes"), BFLOAT16.values(), ids=BFLOAT16)
def test_bfloat16_is_as_accurate_as_pytorch(function, shapes):
    generator = torch.Generator().manual_seed(SEED)
    inputs = [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]
    cotangent = torch.randn(function(twin, *inputs).shape, generator=generator).bfloat16()

    def run(ns, dtype):
        value, grads = _gradients(lambda *a: function(ns, *a), *[t.to(dtype) for t in inputs], cotangent=cotangent)
        return [value, *grads]

    exact = run(twin, torch.float64)
    for a, b, e in zip(run(F, torch.bfloat16), run(twin, torch.bfloat16), exact, strict=True):
        assert a.dtype == torch.bfloat16
        ulp = e.abs().max() * 2**-8
        assert (a.double() - e).abs().max() <= 2 * (b.double() - e).abs().max() + ulp


@pytest.mark.parametrize("batch", [(64,), (8, 8)])
@pytest.mark.parametrize("place", [0, 1])
def test_a_matrix_that_met_a_batch_has_a_gradient_rounded_once(batch, place):
    """Products of the batch that are rounded each, and then added, err by several halves of a unit."""
    generator = torch.Generator().manual_seed(SEED)
    shapes = [(6, 5), (*batch, 5, 7)] if place == 0 else [(*batch, 6, 5), (5, 7)]
    x, y = (torch.randn(shape, generator=generator).bfloat16().requires_grad_() for shape in shapes)
    g = torch.randn(*batch, 6, 7, generator=generator).bfloat16()
    ours = torch.autograd.grad(F.matmul(x, y), (x, y), g)[place]
    wide = [t.detach().double().requires_grad_() for t in (x, y)]
    exact = torch.autograd.grad(torch.matmul(*wide), wide, g.double())[place]
    assert ((ours.double() - exact).abs() <= 2**-8 * exact.abs() + 1e-4).all()


@pytest.mark.parametrize("inside", [True, False], ids=["backward inside", "backward outside"])
def test_autocast_gives_pytorchs_types(inside):
    def run(function):
        x, w = torch.ones(2, 3, requires_grad=True), torch.ones(3, 4, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = function(x, w)
            if inside:
                y.sum().backward()
        if not inside:
            y.sum().backward()
        return y.dtype, x.grad, w.grad

    ours, theirs = run(F.matmul), run(torch.matmul)
    assert ours[0] == theirs[0] == torch.bfloat16
    assert torch.equal(ours[1], theirs[1])
    assert torch.equal(ours[2], theirs[2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert F.add(torch.ones(2), torch.ones(2)).dtype == torch.float32


def _expression(ns, x, w):
    h = ns.matmul(x, w)
    h = ns.add(ns.mul(h, h), ns.sub(1.0, x, alpha=2))
    h = ns.pad(h, (1, 2))
    return ns.sum(ns.mul(ns.mean(h, 0), h))


def test_compositions_agree_with_pytorch():
    generator = torch.Generator().manual_seed(SEED)
    x, w = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((4, 3, 3), (3, 3)))
    hessian = torch.func.hessian(lambda w: _expression(F, x[0], w))(w)
    torch.testing.assert_close(hessian, torch.func.hessian(lambda w: _expression(twin, x[0], w))(w))
    each = torch.func.vmap(torch.func.grad(lambda x, w: _expression(F, x, w)), in_dims=(0, None))(x, w)
    expected = torch.func.vmap(torch.func.grad(lambda x, w: _expression(twin, x, w)), in_dims=(0, None))(x, w)
    torch.testing.assert_close(each, expected)


def test_compiles_whole():
    x, w = torch.randn(3, 3, requires_grad=True), torch.randn(3, 3, requires_grad=True)
    compiled = torch.compile(lambda x, w: _expression(F, x, w), fullgraph=True, backend="aot_eager")
    grads = torch.autograd.grad(compiled(x, w), (x, w))
    torch.testing.assert_close(grads, torch.autograd.grad(_expression(twin, x, w), (x, w)))


@pytest.mark.parametrize("function", [F.mul, F.matmul])
def test_an_operand_beside_a_constant_is_not_kept(function):
    x, constant = torch.randn(3, 3, requires_grad=True), torch.randn(3, 3)
    for operands in ((x, constant), (constant, x)):
        kept = [t for t in function(*operands).grad_fn.saved_tensors if t is not None]
        assert [t.data_ptr() for t in kept] == [constant.data_ptr()]


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_tangents_of_reductions_come_in_the_type_asked_for(name, shape):
    x, results = torch.randn(shape), []
    for function in (getattr(F, name), getattr(torch, name)):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, torch.ones_like(x))
            results.append(forward_ad.unpack_dual(function(dual, dtype=torch.float64)).tangent)
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_tangents_come_in_the_type_and_shape_of_the_result(name):
    narrow, wide = torch.randn(3, dtype=torch.float64), torch.randn(2, 3)
    for x, y in [
        (narrow, wide),
        (wide, narrow),
        (torch.arange(6).reshape(2, 3), narrow),
        (narrow, torch.ones(2, 3) > 0),
    ]:
        for direction in range(2):
            if not (x, y)[direction].is_floating_point() or (name == "sub" and torch.bool in (x.dtype, y.dtype)):
                continue
            results = []
            for function in (getattr(F, name), getattr(torch, name)):
                with forward_ad.dual_level():
                    operands = [x, y]
                    operands[direction] = forward_ad.make_dual(
                        operands[direction], torch.ones_like(operands[direction])
                    )
                    results.append(forward_ad.unpack_dual(function(*operands)).tangent)
            torch.testing.assert_close(*results)

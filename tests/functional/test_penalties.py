"""What the penalties' specs cannot say: the lecture's numbers, types, errors, transforms."""

import pytest
import torch

from manualnet import functional, reference

CALLS = [("elastic_net", {"beta": 0.5}), ("l1_penalty", {}), ("l2_penalty", {})]
each_call = pytest.mark.parametrize(("name", "kwargs"), CALLS, ids=[name for name, _ in CALLS])


def _gradients(penalty, tensors, **kwargs):
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    value = penalty(*tensors, **kwargs)
    return value, torch.autograd.grad(value, tensors)


@pytest.mark.parametrize(
    ("name", "kwargs", "ones", "spread"),
    [
        ("l2_penalty", {}, 1.0, 0.25),
        ("l1_penalty", {}, 1.0, 1.0),
        ("elastic_net", {"beta": 0.5}, 1.5, 1.125),
    ],
)
def test_penalties_that_tell_equal_scores_apart(name, kwargs, ones, spread):
    """S32: both weights give x·w = 1."""
    x = torch.ones(4, dtype=torch.float64)
    w1, w2 = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64), torch.full((4,), 0.25, dtype=torch.float64)
    assert (x @ w1, x @ w2) == (1, 1)
    penalty = getattr(functional, name)
    assert penalty(w1, **kwargs).item() == ones
    assert penalty(w2, **kwargs).item() == spread


@pytest.mark.parametrize(
    ("name", "kwargs", "slopes"),
    [
        ("l2_penalty", {}, [-3.0, 0.0, 4.0]),
        ("l1_penalty", {}, [-1.0, 0.0, 1.0]),
        ("elastic_net", {"beta": 0.5}, [-2.5, 0.0, 3.0]),
    ],
)
def test_gradients_of_the_lecture(name, kwargs, slopes):
    """S29: 2w, sign(w), 2βw + sign(w)."""
    _, (grad,) = _gradients(getattr(functional, name), [torch.tensor([-1.5, 0.0, 2.0])], **kwargs)
    assert grad.tolist() == slopes


def test_l2_is_a_weight_decay_of_twice_its_factor():
    """S29: there is no ½."""
    ours, theirs = (torch.tensor([1.0, -2.0], requires_grad=True) for _ in range(2))
    (0.05 * functional.l2_penalty(ours)).backward()
    theirs.grad = torch.zeros(2)
    torch.optim.SGD([ours], lr=0.1).step()
    torch.optim.SGD([theirs], lr=0.1, weight_decay=0.1).step()
    torch.testing.assert_close(ours, theirs)


@each_call
def test_nothing_to_penalise_is_an_error(name, kwargs):
    with pytest.raises(TypeError, match="at least one tensor"):
        getattr(functional, name)(**kwargs)


@each_call
def test_a_list_instead_of_its_tensors_is_an_error(name, kwargs):
    with pytest.raises(TypeError, match=r"list.*unpack it with \*"):
        getattr(functional, name)([torch.ones(2)], **kwargs)


@each_call
def test_complex_numbers_are_refused(name, kwargs):
    with pytest.raises(NotImplementedError, match=f"{name}: .*real numbers"):
        getattr(functional, name)(torch.ones(2), torch.ones(2, dtype=torch.complex64), **kwargs)


@each_call
def test_two_devices_are_refused(name, kwargs):
    with pytest.raises(RuntimeError, match="cpu, meta"):
        getattr(functional, name)(torch.ones(2), torch.ones(2, device="meta"), **kwargs)


def test_beta_has_a_name_and_no_default():
    for args in ((), (0.5,)):
        with pytest.raises(TypeError):
            functional.elastic_net(torch.ones(2), *args)


@pytest.mark.parametrize(
    ("dtypes", "promoted"),
    [
        ((torch.bfloat16,), torch.bfloat16),
        ((torch.float16, torch.bfloat16), torch.float32),
        ((torch.bfloat16, torch.float32), torch.float32),
        ((torch.float32, torch.float64), torch.float64),
        ((torch.float64, torch.bfloat16), torch.float64),
    ],
)
@each_call
def test_types_promote_and_every_gradient_has_its_own(name, kwargs, dtypes, promoted):
    tensors = [torch.tensor([[1.5, -2.0], [0.0, 3.0]], dtype=dtype) for dtype in dtypes]
    value, grads = _gradients(getattr(functional, name), tensors, **kwargs)
    assert value.dtype == promoted
    assert [g.dtype for g in grads] == list(dtypes)
    expected, expected_grads = _gradients(getattr(reference.functional, name), [t.double() for t in tensors], **kwargs)
    assert value.double() == expected
    assert all(torch.equal(g.double(), e) for g, e in zip(grads, expected_grads, strict=True))


@each_call
def test_integers_are_summed(name, kwargs):
    tensors = torch.tensor([3, -2], dtype=torch.int32), torch.ones(2, dtype=torch.int64)
    values = [getattr(f, name)(*tensors, **kwargs) for f in (functional, reference.functional)]
    torch.testing.assert_close(*values)


@each_call
def test_half_precision_rounds_once(name, kwargs):
    """The sum of many small terms: added up in half precision it would stop growing."""
    w = torch.full((300, 300), 0.3, dtype=torch.bfloat16).requires_grad_()
    value = getattr(functional, name)(w, **kwargs)
    exact = getattr(reference.functional, name)(w.detach().double(), **kwargs)
    assert value.double().item() == pytest.approx(exact.item(), rel=torch.finfo(torch.bfloat16).eps / 2)


@each_call
def test_gradient_in_half_precision_rounds_once(name, kwargs):
    """A float32 factor reaches bfloat16 tensors with all its digits."""
    w = torch.randn(300, dtype=torch.bfloat16).requires_grad_()
    factor = torch.tensor(1.2345678e-3)
    value = getattr(functional, name)(w, torch.ones(1), **kwargs)
    (grad,) = torch.autograd.grad(value, w, factor, retain_graph=True)
    # A CPU's kernel spares a number beside a tensor the rounding; batching, as a GPU, does not.
    (batch,) = torch.autograd.grad(value, w, factor.expand(2), is_grads_batched=True)
    exact = w.detach().double().requires_grad_()
    getattr(reference.functional, name)(exact, **kwargs).mul(factor.double()).backward()
    for g in (grad, *batch):
        assert g.dtype == torch.bfloat16
        torch.testing.assert_close(g.double(), exact.grad, rtol=torch.finfo(torch.bfloat16).eps / 2, atol=1e-9)


@each_call
def test_special_values_are_pytorchs(name, kwargs):
    for values in ([float("nan"), 1.0], [float("inf"), -1.0], [-float("inf"), 0.0]):
        w = torch.tensor(values)
        actual, expected = (_gradients(getattr(f, name), [w], **kwargs) for f in (functional, reference.functional))
        torch.testing.assert_close(actual, expected, equal_nan=True)


@each_call
def test_a_tensor_passed_twice_counts_twice(name, kwargs):
    penalty, w = getattr(functional, name), torch.tensor([1.5, -2.0], requires_grad=True)
    (once,) = torch.autograd.grad(penalty(w, **kwargs), w)
    (twice,) = torch.autograd.grad(penalty(w, w, **kwargs), w)
    assert torch.equal(twice, 2 * once)


@each_call
def test_hessian_and_gradients_per_example_are_the_twins(name, kwargs):
    a, b = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    results = []
    for f in (functional, reference.functional):

        def penalty(a, b, f=f):
            return getattr(f, name)(a, b, **kwargs) ** 2

        results.append(
            (
                torch.func.hessian(penalty, (0, 1))(a, b),
                torch.func.vmap(torch.func.grad(penalty, (0, 1)))(a, b),
                torch.func.vmap(torch.func.grad(penalty, (0, 1)), (None, 0))(a, b),
            )
        )
    torch.testing.assert_close(*results, rtol=0, atol=1e-10)


@each_call
def test_compiles_in_one_graph(name, kwargs):
    penalty = getattr(functional, name)
    tensors = [torch.randn(3, 4), torch.randn(())]
    torch.compiler.reset()
    compiled = torch.compile(penalty, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(_gradients(compiled, tensors, **kwargs), _gradients(penalty, tensors, **kwargs))


@each_call
def test_the_rule_itself_gives_each_tensor_a_gradient_of_its_type(name, kwargs):
    """Asked for directly: autograd's engine would cast it."""
    tensors = [torch.ones((), dtype=torch.bfloat16), torch.ones(2), torch.ones((), dtype=torch.float64)]
    penalty = getattr(functional, name)(*[t.requires_grad_() for t in tensors], **kwargs)
    grads = penalty.grad_fn.apply(torch.ones_like(penalty))
    assert [g.dtype for g in grads if g is not None] == [t.dtype for t in tensors]

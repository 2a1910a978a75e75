"""SGD: PyTorch's, bit for bit. Muon: orthogonal steps of one size."""

import pytest
import torch

from manualnet.optim import SGD, Muon, orthogonalize

SETTINGS = [
    {},
    {"weight_decay": 0.01},
    {"maximize": True},
    {"momentum": 0.9},
    {"momentum": 1.1},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "weight_decay": 0.01},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True},
    {"momentum": 0.5, "dampening": 1.0, "weight_decay": 0.1, "maximize": True},
]


def weights(device="cpu", dtype=torch.float32):
    """Three parameters of different shapes: the same numbers at every call."""
    draw = torch.Generator().manual_seed(0)
    sizes = (7, 5), (7,), ()
    return [torch.randn(s, generator=draw).to(device, dtype).requires_grad_() for s in sizes]


def walk(optimizers, weights, steps=30, seed=1):
    """Step several optimizers, each with weights of its own, along the same gradients."""
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for ours, theirs in zip(*weights, strict=True):
            grad = torch.randn(ours.shape, generator=draw).to(ours)
            ours.grad, theirs.grad = grad.clone(), grad.clone()
        for optimizer in optimizers:
            optimizer.step()
        for ours, theirs in zip(*weights, strict=True):
            assert torch.equal(ours, theirs)
            # A step reads the gradient, and leaves it as it is.
            assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_sgd_is_pytorchs_bit_for_bit(settings, dtype):
    ours, theirs = weights(dtype=dtype), weights(dtype=dtype)
    walk([SGD(ours, lr=0.1, **settings), torch.optim.SGD(theirs, lr=0.1, **settings)], (ours, theirs))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sgd_is_pytorchs_bit_for_bit_on_a_gpu(settings):
    ours, theirs = weights("cuda"), weights("cuda")
    # PyTorch's default there, foreach, adds the momentum to the gradient itself.
    walk([SGD(ours, lr=0.1, **settings), torch.optim.SGD(theirs, lr=0.1, foreach=False, **settings)], (ours, theirs))


def test_sgd_has_pytorchs_groups_and_defaults():
    pairs = []
    for kind in (SGD, torch.optim.SGD):
        w = weights()
        groups = [{"params": w[:1], "lr": 0.3, "momentum": 0.9, "nesterov": True}, {"params": w[1:]}]
        pairs.append((kind(groups, weight_decay=0.01), w))
    (ours, a), (theirs, b) = pairs
    known = set(ours.defaults)
    assert [{k: g[k] for k in known - {"params"}} for g in ours.param_groups] == [
        {k: g[k] for k in known - {"params"}} for g in theirs.param_groups
    ]
    walk([ours, theirs], (a, b))


def test_sgd_reads_a_learning_rate_that_changes():
    ours, theirs = weights(), weights()
    rates = torch.tensor([0.1]), torch.tensor([0.1])
    pair = [SGD(ours, lr=rates[0], momentum=0.9), torch.optim.SGD(theirs, lr=rates[1], momentum=0.9)]
    walk(pair, (ours, theirs))
    for rate in rates:
        rate.fill_(0.01)
    walk(pair, (ours, theirs), seed=2)
    for optimizer in pair:
        optimizer.param_groups[0]["lr"] = 0.003
    walk(pair, (ours, theirs), seed=3)


def test_sgd_follows_pytorchs_schedules():
    ours, theirs = weights(), weights()
    pair = [SGD(ours, lr=0.1, momentum=0.9), torch.optim.SGD(theirs, lr=0.1, momentum=0.9)]
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5) for optimizer in pair]
    for seed in range(5):
        walk(pair, (ours, theirs), steps=1, seed=seed)
        for schedule in schedules:
            schedule.step()
    assert pair[0].param_groups[0]["lr"] < 1e-9


@pytest.mark.parametrize(("kind", "other"), [(SGD, torch.optim.SGD), (torch.optim.SGD, SGD)])
def test_a_state_dict_goes_from_sgd_to_pytorchs_and_back(kind, other):
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    a, b = weights(), weights()
    first, twin = kind(a, **settings), kind(b, **settings)
    walk([first, twin], (a, b))
    second = other(b, lr=7.0)
    second.load_state_dict(twin.state_dict())
    walk([first, second], (a, b), seed=2)


def test_sgd_leaves_a_parameter_without_a_gradient():
    ours = weights()
    before = [w.detach().clone() for w in ours]
    ours[0].grad = torch.ones_like(ours[0])
    optimizer = SGD(ours, lr=0.1, momentum=0.9, weight_decay=0.1)
    optimizer.step()
    assert not torch.equal(ours[0], before[0])
    assert all(torch.equal(w, b) for w, b in zip(ours[1:], before[1:], strict=True))
    assert list(optimizer.state) == [ours[0]]


def test_sgd_takes_sparse_gradients_as_pytorch_does():
    tables = [torch.nn.Embedding(5, 3, sparse=True) for _ in range(2)]
    tables[1].load_state_dict(tables[0].state_dict())
    pair = [SGD(tables[0].parameters(), lr=0.1), torch.optim.SGD(tables[1].parameters(), lr=0.1)]
    for table, optimizer in zip(tables, pair, strict=True):
        table(torch.tensor([1, 3, 3])).square().sum().backward()
        optimizer.step()
    assert torch.equal(tables[0].weight, tables[1].weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, "lr=-1.0"),
        ({"lr": torch.tensor([0.1, 0.2])}, r"one number.*\(2,\)"),
        ({"momentum": -0.5}, "momentum=-0.5"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"nesterov": True}, "nesterov needs momentum"),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening=0.1"),
    ],
)
def test_sgd_refuses_what_pytorch_refuses(settings, message):
    with pytest.raises(ValueError):  # noqa: PT011 - the words are PyTorch's
        torch.optim.SGD(weights(), **settings)
    with pytest.raises(ValueError, match=message):
        SGD(weights(), **settings)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)])
def test_orthogonalized_singular_values_are_near_1(shape):
    torch.manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    matrix = u @ torch.linspace(0.3, 3.0, min(shape)).diag() @ vh
    out = orthogonalize(matrix, steps=5)
    assert out.shape == shape
    values = torch.linalg.svdvals(out)
    assert values.min() > 0.6
    assert values.max() < 1.3
    # The directions stay: only singular values change.
    projected = u.t() @ out @ vh.t()
    assert torch.allclose(projected, projected.diagonal().diag(), atol=1e-5)


def test_a_step_has_the_same_size_whatever_the_gradients():
    moved = []
    for scale in (1e-3, 1e3):
        torch.manual_seed(0)
        weight = torch.randn(4, 2, 3, 3).requires_grad_()
        weight.grad = scale * torch.randn(4, 2, 3, 3)
        before = weight.detach().clone()
        Muon([weight], lr=0.1, normalize=False).step()
        moved.append(weight.detach() - before)
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-3, atol=1e-5)


def test_normalize_keeps_the_weights_size():
    weight = (100 * torch.randn(4, 8)).requires_grad_()
    weight.grad = torch.randn(4, 8)
    Muon([weight], lr=0.0, normalize=True).step()
    assert weight.norm().item() == pytest.approx(2.0, rel=1e-5)


def test_momentum_accumulates():
    weight = torch.randn(3, 3).requires_grad_()
    optimizer = Muon([weight], lr=0.1, momentum=0.5)
    for _ in range(2):
        weight.grad = torch.ones(3, 3)
        optimizer.step()
    assert torch.equal(optimizer.state[weight]["momentum_buffer"], torch.full((3, 3), 1.5))


def test_a_parameter_without_a_gradient_stays():
    weight = torch.randn(3, 3).requires_grad_()
    before = weight.detach().clone()
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight, before)


@pytest.mark.parametrize("kind", [SGD, Muon])
def test_a_closure_is_evaluated_with_gradients(kind):
    weight = torch.eye(2).requires_grad_()

    def closure():
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    assert kind([weight], lr=0.1).step(closure).item() == 2.0
    assert weight[0, 0] < 1


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [((3,), {}, "need two axes"), ((3, 3), {"lr": -1.0}, "lr must be"), ((3, 3), {"momentum": 1.0}, "momentum")],
)
def test_what_makes_no_sense_is_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        Muon([torch.zeros(shape, requires_grad=True)], **options)


def test_muon_may_multiply_in_half_precision():
    """The direction stays near the one of float32; the weight keeps its type."""
    gradient = torch.randn(24, 72)
    exact, rough = (orthogonalize(gradient, 3, dtype) for dtype in (None, torch.bfloat16))
    assert rough.dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(exact.flatten(), rough.float().flatten(), 0) > 0.999
    weight = torch.randn(24, 72).requires_grad_()
    weight.grad = gradient
    Muon([weight], lr=0.1, dtype=torch.bfloat16).step()
    assert weight.dtype == torch.float32

"""The algorithms as the lecture writes them are manualnet's layers and PyTorch's autograd, step by step."""

import pytest
import torch

from experiments.lessons.algorithms import (
    LIMIT,
    SMALL,
    STOPPED,
    SigmoidNetwork,
    TanhNetwork,
    small_random,
    train,
    with_one,
)
from experiments.lessons.goldens import ETA, A, B, T, X
from experiments.lessons.work import agree
from manualnet import functional as F
from manualnet import nn
from manualnet.optim import SGD
from manualnet.reference import nn as torch_nn

both = pytest.mark.parametrize("kind", [SigmoidNetwork, TanhNetwork])
XOR = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
ODD = torch.tensor([[0.0], [1.0], [1.0], [0.0]], dtype=torch.float64)


def data(n, inputs, outputs, seed=0):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(n, inputs, generator=draw, dtype=torch.float64)
    return x, torch.rand(n, outputs, generator=draw, dtype=torch.float64)


def same_weights(network, modules):
    for W, linear in zip((network.W1, network.W2), (modules[0], modules[2]), strict=True):
        torch.testing.assert_close(W[:, 1:], linear.weight.detach(), rtol=0, atol=1e-12)
        torch.testing.assert_close(W[:, 0], linear.bias.detach(), rtol=0, atol=1e-12)


@both
@pytest.mark.parametrize("namespace", [nn, torch_nn], ids=["manualnet", "torch"])
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("sizes", [(2, 2, 1), (3, 5, 4), (1, 1, 2)])
def test_every_step_is_that_of_the_layers(kind, namespace, batched, sizes):
    inputs, hidden, outputs = sizes
    network = kind(*small_random(inputs, hidden, outputs, seed=1, size=0.8))
    modules = network.modules(namespace)
    descent = (SGD if namespace is nn else torch.optim.SGD)(modules.parameters(), lr=0.1)
    x, t = data(6, inputs, outputs)
    first = network.W1.clone()
    for _ in range(30):
        for examples, targets in [(x, t)] if batched else zip(x, t, strict=True):
            descent.zero_grad()
            (F.squared_error if namespace is nn else half_square)(modules(examples), targets).backward()
            descent.step()
            (network.learn_batch if batched else network.learn_example)(examples, targets, 0.1)
            same_weights(network, modules)
    assert (network.W1 - first).abs().max() > 0.01


def half_square(y, t):
    return (y - t).square().sum() / 2


@both
def test_the_deltas_are_the_gradients_of_the_weighted_sums(kind):
    network = kind(*small_random(3, 4, 2, seed=2, size=1.0))
    [x], [t] = data(1, 3, 2)
    h_j, h_k = ({"Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Identity": lambda a: a}[n] for n in kind.activations)
    a_j = (with_one(x) @ network.W1.T).requires_grad_()
    a_k = with_one(h_j(a_j)) @ network.W2.T
    wanted = torch.autograd.grad(half_square(h_k(a_k), t), (a_k, a_j))
    found = network.deltas(*network.outputs(x), t)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize("golden", [A, B], ids=lambda golden: golden.title)
def test_the_goldens(golden):
    network, expected = golden.network(), golden.numbers
    W1, W2 = network.W1.clone(), network.W2.clone()
    z, y = network.outputs(X[1:])
    delta_k, delta_j = network.deltas(z, y, T)
    assert agree(expected.z, z)
    assert agree(expected.y, y)
    assert agree(expected.E, network.errors(X[1:], T))
    assert agree(expected.delta_k, delta_k)
    assert agree(expected.delta_j, delta_j)
    network.learn_example(X[1:], T, ETA)
    if golden is A:
        assert agree(expected.W1_after, network.W1)
        assert agree(expected.W2_after, network.W2)
        assert agree(expected.E_after, network.errors(X[1:], T))
    else:
        assert agree(expected.dW1, (W1 - network.W1) / ETA)
        assert agree(expected.dW2, (W2 - network.W2) / ETA)


@both
def test_a_batch_of_one_is_an_example(kind):
    x, t = data(1, 3, 2)
    one, batch = (kind(*small_random(3, 4, 2, seed=3, size=1.0)) for _ in range(2))
    one.learn_example(x[0], t[0], 0.3)
    batch.learn_batch(x, t, 0.3)
    torch.testing.assert_close((one.W1, one.W2), (batch.W1, batch.W2), rtol=0, atol=1e-15)


@both
def test_over_an_epoch_the_examples_differ_from_the_batch_by_the_square_of_the_rate(kind):
    x, t = data(5, 3, 2)
    apart = []
    for eta in (0.02, 0.01):
        one, batch = (kind(*small_random(3, 4, 2, seed=3, size=1.0)) for _ in range(2))
        for example, target in zip(x, t, strict=True):
            one.learn_example(example, target, eta)
        batch.learn_batch(x, t, eta)
        apart.append(float((one.W1 - batch.W1).norm() + (one.W2 - batch.W2).norm()))
    assert apart[1] > 0
    assert apart[0] / apart[1] == pytest.approx(4, rel=0.05)


@both
@pytest.mark.parametrize("batched", [False, True])
def test_it_ends_when_the_error_of_every_example_is_small(kind, batched):
    network = kind(*small_random(2, 4, 1, seed=2, size=1.0))
    eta = 2.0 if kind is SigmoidNetwork else 0.1
    training = train(network, XOR, ODD, eta=eta, small=0.01, batched=batched)
    assert training.reason == SMALL
    assert 10 < training.epochs < 1000
    assert (network.errors(XOR, ODD) < 0.01).all()
    assert training.errors[-1] == network.errors(XOR, ODD).sum()
    assert training.errors[-2] > training.errors[-1]


@both
def test_the_sum_may_be_small_where_one_example_is_not(kind):
    # 20 examples are right and one is wrong: the mean is small, but the rule asks each.
    x, t = torch.zeros(21, 1, dtype=torch.float64), torch.zeros(21, 1, dtype=torch.float64)
    t[-1] = 1
    network = kind(torch.zeros(1, 2).double(), torch.tensor([[-20.0 if kind is SigmoidNetwork else 0.0, 0.0]]).double())
    assert network.errors(x, t).mean() < 0.05
    assert train(network, x, t, eta=0.1, small=0.05, epochs=0).reason == LIMIT


@both
def test_it_ends_when_the_error_stops_falling(kind):
    # The same input is wanted to give 0 and 1: no weights can do that, and ½ for both is the best.
    x, t = torch.ones(2, 1, dtype=torch.float64), torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    W1, W2 = small_random(1, 2, 1, seed=0)
    W2[0, 0] = 1.0
    network = kind(W1, W2)
    training = train(network, x, t, eta=0.1, small=0.01, least=1e-7)
    assert training.reason == STOPPED
    assert training.errors[-1] >= training.errors[-2] - 1e-7
    assert all(after < before for before, after in zip(training.errors[:-2], training.errors[1:-1], strict=True))
    assert training.errors[0] > 0.3
    assert training.errors[-1] == pytest.approx(0.25, abs=0.01)


def test_falling_by_no_more_than_least_is_not_falling():
    def trained(least):
        return train(SigmoidNetwork(*small_random(2, 4, 1, seed=2, size=1.0)), XOR, ODD, eta=2, small=0, least=least)

    training = trained(1e-4)
    assert training.reason == STOPPED
    assert training.errors[-2] - training.errors[-1] <= 1e-4 < training.errors[-3] - training.errors[-2]
    assert train(SigmoidNetwork(*small_random(2, 4, 1, seed=2)), XOR, ODD, eta=0.1, small=0, epochs=3).epochs <= 3


def test_small_random_weights_are_small_random_and_the_same_again():
    W1, W2 = small_random(3, 50, 2, seed=0)
    assert (W1.shape, W2.shape) == ((50, 4), (2, 51))
    assert 0.09 < W1.abs().max() <= 0.1
    assert W1.unique().numel() == W1.numel()
    assert torch.equal(W1, small_random(3, 50, 2, seed=0)[0])
    assert not torch.equal(W1, small_random(3, 50, 2, seed=1)[0])


@both
def test_hidden_units_that_begin_alike_stay_alike(kind):
    network = kind(torch.zeros(3, 3).double(), torch.zeros(1, 4).double())
    train(network, XOR, ODD, eta=0.5, small=0.01, epochs=20)
    network.learn_example(XOR[1], ODD[1], 0.5)
    assert network.W2.abs().sum() > 0
    assert torch.equal(network.W1, network.W1[:1].expand(3, 3))
    assert network.W2[0, 1:].unique().numel() == 1


def test_weights_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match=r"one for each row of W1, but they are \(2, 3\) and \(1, 2\)"):
        SigmoidNetwork(torch.zeros(2, 3), torch.zeros(1, 2))


def test_the_weights_that_were_given_stay_as_they_are():
    W1, W2 = small_random(2, 2, 1, seed=0)
    kept = W1.clone(), W2.clone()
    SigmoidNetwork(W1, W2).learn_example(XOR[1], ODD[1], 1.0)
    assert torch.equal(W1, kept[0])
    assert torch.equal(W2, kept[1])

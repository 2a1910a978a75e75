"""Muon: orthogonal steps of one size."""

import pytest
import torch

from manualnet.optim import Muon, orthogonalize


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


def test_a_closure_is_evaluated_with_gradients():
    weight = torch.eye(2).requires_grad_()

    def closure():
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    assert Muon([weight], lr=0.1).step(closure).item() == 2.0


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [((3,), {}, "need two axes"), ((3, 3), {"lr": -1.0}, "lr must be"), ((3, 3), {"momentum": 1.0}, "momentum")],
)
def test_what_makes_no_sense_is_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        Muon([torch.zeros(shape, requires_grad=True)], **options)

"""The gradients of a graph are those of PyTorch's engine on the same expression."""

import pytest
import torch
from torch import nn as torch_nn
from torch.autograd import Function

from manualnet import functional as F
from manualnet import nn
from manualnet.graph import trace

from .expressions import GOLDEN_A, LECTURE, lecture, normal, twelve_inputs, twelve_nodes, two_layers


class SumAndProduct(Function):
    """Two outputs that both carry a gradient."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x + y, x * y

    @staticmethod
    def backward(ctx, grad_sum, grad_product):
        x, y = ctx.saved_tensors
        return grad_sum + grad_product * y, grad_sum + grad_product * x


def both(x, y):
    s, p = SumAndProduct.apply(x, y)
    return (s * p).sum()


def shared(x):
    s = F.sigmoid(x)
    return F.sum(s * x + s * s)


def batch_normed(x, w, b):
    return F.mean(F.mul(F.batch_norm(x, None, None, w, b, training=True), x))


def convolved(x, w, b):
    return F.max_pool2d(F.relu(F.conv2d(x, w, b, padding=1)), 2).sum()


def penalised(w, v):
    return 0.1 * F.l2_penalty(w, v) + F.elastic_net(v, w, beta=0.5) + F.l1_penalty(w)


def moved(x, y):
    a, b = torch.cat([x, y]).reshape(2, 4, 3).unbind()
    return (a[1:, ::2].T @ b[:3, :1].expand(3, 2).contiguous()).flatten().sum()


def spelled(x, y):
    return (((2 - x) / 4 - y * -x) ** 2).mean(axis=0).sum() + torch.dot(x[0], y[0]) - (y.square() @ x.mT).sum()


def detached(x, y):
    with torch.no_grad():
        scale = x * 2
    return (scale * y + x.detach() * x).sum()


def pooled(x):
    return F.mul(*F.max_pool2d(x, 2, return_indices=True)).sum()


IMAGE = normal(2, 3, 6, 6)
CASES = {
    "lecture": (lecture, {k: torch.tensor(float(v)) for k, v in LECTURE.items()}),
    "golden_a": (two_layers, {k: torch.tensor(v).double() for k, v in GOLDEN_A.items()}),
    "twelve": (twelve_nodes, twelve_inputs()),
    "shared": (shared, {"x": normal(3)}),
    "broadcast": (lambda x, y: F.sum(x * y - y), {"x": normal(4, 1, 3), "y": normal(2, 1, seed=1)}),
    "softmax": (
        lambda x, t: F.cross_entropy(F.softmax(x, 1), t) + F.nll_loss(F.log_softmax(x, 1), t),
        {"x": normal(5, 4), "t": torch.tensor([0, 3, 1, 1, 2])},
    ),
    "batch_norm": (batch_normed, {"x": normal(6, 3), "w": normal(3, seed=1), "b": normal(3, seed=2)}),
    "conv": (convolved, {"x": IMAGE, "w": normal(4, 3, 3, 3, seed=1), "b": normal(4, seed=2)}),
    "dropout": (lambda x: F.dropout(x, 0.4).sum() + F.stochastic_depth(x, 0.5, "row").sum(), {"x": normal(8, 3)}),
    "stochastic_pool": (lambda x: F.stochastic_pool2d(x, 2).sum(), {"x": IMAGE.abs()}),
    "penalties": (penalised, {"w": normal(3, 2), "v": normal(4)}),
    "two_outputs": (both, {"x": normal(3), "y": normal(3, seed=1)}),
    "indices": (pooled, {"x": IMAGE}),
    "moves": (moved, {"x": normal(4, 3), "y": normal(4, 3, seed=1)}),
    "operators": (spelled, {"x": normal(2, 3), "y": normal(2, 3, seed=1)}),
    "vectors": (lambda x, w: x @ w + x @ x, {"x": normal(3), "w": normal(3, seed=1)}),
    "detached": (detached, {"x": normal(3), "y": normal(3, seed=1)}),
    "hinge": (lambda s, y: F.hinge_loss(s, y), {"s": normal(3, 4), "y": torch.tensor([0, 1, 3])}),
    "triplet": (lambda a, p, n: F.triplet_loss(a, p, n, 0.5), {k: normal(3, seed=i) for i, k in enumerate("apn")}),
    "maxout": (lambda x, w, b: F.maxout(x, w, b).mean(), {"x": normal(4, 3), "w": normal(2, 5, 3), "b": normal(2, 5)}),
    "float32": (shared, {"x": normal(3).float()}),
    "unused": (lambda x, y: x.sum(), {"x": normal(3), "y": normal(3)}),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_autograds(name):
    expression, inputs = CASES[name]
    leaves = {k: v.clone().requires_grad_(v.is_floating_point()) for k, v in inputs.items()}
    torch.manual_seed(3)
    expected = expression(**leaves)
    expected.backward()
    torch.manual_seed(3)
    graph = trace(expression, **inputs)
    assert torch.equal(graph.output.value, expected.detach())
    for key, leaf in leaves.items():
        found = graph[key].upstream
        assert (found is None) == (leaf.grad is None)
        if leaf.grad is not None:
            torch.testing.assert_close(
                found, leaf.grad, rtol=1e-14 if found.dtype == torch.float64 else 1e-6, atol=1e-15
            )


@pytest.mark.parametrize("name", sorted(set(CASES) - {"conv", "stochastic_pool", "indices"}))
def test_downstream_is_local_times_upstream(name):
    torch.manual_seed(3)
    expression, inputs = CASES[name]
    passed = 0
    for edge in trace(expression, **inputs).edges:
        if edge.downstream is None:
            continue
        upstream, like = edge.target.upstream, edge.source.value
        if edge.local.shape == upstream.shape == like.shape:
            product = edge.local * upstream
        else:
            assert edge.local.shape == upstream.shape + like.shape
            product = torch.tensordot(upstream, edge.local, dims=upstream.dim())
        torch.testing.assert_close(
            product, edge.downstream, rtol=1e-5 if like.dtype == torch.float32 else 1e-12, atol=1e-14
        )
        passed += 1
    assert passed


def test_local_derivatives_are_autograds_jacobians():
    graph = trace(lambda x: F.softmax(x, 0) * x, x=[1.0, 2.0, 3.0])
    softmax, product = graph.nodes[1:]
    jacobian = torch.autograd.functional.jacobian(lambda x: torch.softmax(x, 0), graph["x"].value)
    torch.testing.assert_close(softmax.local[0], jacobian)
    torch.testing.assert_close(product.local[1], softmax.value)


def test_a_module_is_an_expression_whose_parameters_have_names_and_gradients():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = normal(5, 3)
    graph = trace(lambda input: F.mean(model(input)), input=x)
    F.mean(model(x)).backward()
    for name, parameter in model.named_parameters():
        node = graph[f"model.{name}"]
        assert node.operation == "parameter"
        torch.testing.assert_close(node.upstream, parameter.grad)
    whole = trace(model, input=x)
    assert {"0.weight", "0.bias", "2.weight", "2.bias"} <= {n.name for n in whole.inputs}


def test_a_model_of_torch_nn_gets_hand_written_gradients():
    torch.manual_seed(0)
    model = torch_nn.Sequential(torch_nn.Conv2d(3, 2, 3), torch_nn.BatchNorm2d(2), torch_nn.ReLU(), torch_nn.Flatten())
    model = model.double()
    graph = trace(lambda x: model(x).mean(), x=IMAGE)
    x = IMAGE.clone().requires_grad_()
    model(x).mean().backward()
    torch.testing.assert_close(graph["x"].upstream, x.grad)
    assert [n.operation for n in graph.nodes if n.edges] == ["conv2d", "batch_norm", "relu", "flatten", "mean"]
    for node in graph.nodes:
        if node.operation in ("conv2d", "batch_norm", "relu", "mean"):
            assert node.tensor.grad_fn.name() in (
                "Conv2dBackward",
                "BatchNormTrainingBackward",
                "ReLUBackward",
                "MeanBackward",
            )

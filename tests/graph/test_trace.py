"""What a trace records, names and refuses, and what it leaves alone."""

import threading

import pytest
import torch
from torch.autograd import Function

from manualnet import functional as F
from manualnet import graph as package
from manualnet import nn
from manualnet.graph import name, trace

from .expressions import LECTURE, lecture, normal

APPLY = Function.__dict__["apply"]


def names(graph) -> list[str]:
    return [node.name for node in graph.nodes]


def test_numbers_and_lists_become_float64_and_tensors_keep_their_type():
    graph = trace(lambda a, b, c: (a * b).sum() * c, a=2, b=[1, 2], c=torch.tensor(3.0))
    assert [graph[k].value.dtype for k in "abc"] == [torch.float64, torch.float64, torch.float32]


def test_values_are_named_by_hand_by_variables_and_by_operation():
    def expression(x):
        first = name("p", x * 2)
        second = first + 1
        return F.sigmoid(second * second) + F.sigmoid(x)

    assert names(trace(expression, x=1.0)) == ["x", "p", "second", "mul1", "sigmoid1", "sigmoid2", "add1"]


def test_an_input_that_a_variable_hides_keeps_its_name():
    def expression(x):
        x = F.sigmoid(x)
        return x * x

    assert names(trace(expression, x=1.0)) == ["x", "sigmoid1", "mul1"]


def test_a_default_name_does_not_take_one_that_is_given():
    assert names(trace(lambda add1, b: (add1 + b) + b, add1=1.0, b=2.0)) == ["add1", "b", "add2", "add3"]


def test_name_outside_of_a_trace_does_nothing():
    x = torch.ones(2)
    assert name("x", x) is x


def test_name_refuses_what_is_no_tensor_and_what_is_taken():
    with pytest.raises(TypeError, match="name: 'q' must be given to a tensor, but float came"):
        name("q", 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="name: 'x' is the name of another value already"):
        trace(lambda x: name("x", x + 1), x=1.0)
    with pytest.raises(ValueError, match="name: the value has the name 'x' already, so it cannot be 'q'"):
        trace(lambda x: name("q", x) + 1, x=1.0)


def test_constants_and_parameters_from_around_have_their_names():
    weight = torch.tensor([2.0, 3.0], requires_grad=True)
    shift = torch.tensor([1.0, 1.0])
    graph = trace(lambda x: ((x * weight + shift) * torch.tensor(2.0)).sum(), x=torch.ones(2))
    assert (graph["weight"].operation, graph["shift"].operation) == ("parameter", "constant")
    assert graph["weight"].upstream.tolist() == [2, 2]
    assert graph["shift"].upstream is None
    assert "other1" in names(graph)
    assert weight.grad is None


def test_a_variable_around_that_is_not_set_yet_is_no_error():
    def expression(x):
        return x * 2 if x > 0 else later

    assert names(trace(expression, x=1.0)) == ["x", "mul1"]
    later = torch.ones(1)


def test_a_constant_is_shown_and_gets_no_gradient():
    target = torch.tensor([1, 0])
    graph = trace(lambda s: F.cross_entropy(s, target), s=normal(2, 3))
    to_scores, to_target = graph.output.edges
    assert to_target.source.name == "target"
    assert (to_target.differentiable, to_target.local, to_target.downstream) == (False, None, None)
    assert to_scores.differentiable


def test_the_mask_that_dropout_drew_is_a_constant():
    torch.manual_seed(0)
    graph = trace(lambda x: F.dropout(x, 0.5).sum(), x=torch.ones(20))
    drop = graph["dropout1"]
    assert [n.name for n in drop.inputs] == ["x", "noise1"]
    assert torch.equal(drop.local[0], graph["noise1"].value)
    assert set(graph["noise1"].value.tolist()) == {0, 2}


def test_a_call_of_a_function_is_one_node_however_many_steps_it_takes():
    graph = trace(lambda x, w: F.matmul(x, w), x=normal(3), w=normal(3, 2))
    assert [n.operation for n in graph.nodes] == ["input", "input", "matmul"]
    assert graph.output.formula == "x @ w"


@pytest.mark.parametrize(
    ("expression", "formula"),
    [
        (lambda x: x * 2, "x × 2"),
        (lambda x: 1 - x, "1 − x"),
        (lambda x: x - 0.5, "x − 0.5"),
        (lambda x: F.add(x, x, alpha=3), "x + 3 · x"),
        (lambda x: F.add(x, 2, alpha=3), "x + 3 · 2"),
        (lambda x: -x, "x × -1"),
        (lambda x: x / 4, "x × 0.25"),
        (lambda x: x**2, "x × x"),
        (lambda x: torch.tanh(x), "tanh(x)"),
        (lambda x: x.reshape(1)[0], "reshape1[…]"),
    ],
)
def test_formulas(expression, formula):
    assert trace(expression, x=3.0).output.formula == formula


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(KeyError, match="the graph has no node 'w'; it has x, y, z, q, f"):
        trace(lecture, **LECTURE)["w"]


def test_what_needs_no_gradient_may_be_computed_with_anything():
    def expression(x):
        mask = (x > 0).double()
        scale = torch.exp(x.detach())
        return (x * mask * scale).sum()

    graph = trace(expression, x=[1.0, -1.0])
    torch.testing.assert_close(graph["x"].upstream, torch.tensor([torch.e, 0.0]).double())
    assert graph["scale"].operation == "exp"


def test_the_users_tensors_stay_as_they_are():
    x = normal(3).requires_grad_()
    before = (x * 2).sum()
    values, version = x.detach().clone(), x._version
    graph = trace(lambda x: (x * x).sum(), x=x)
    graph.backpropagate()
    assert x.grad is None
    assert (x._version, x.is_leaf, x.requires_grad) == (version, True, True)
    torch.testing.assert_close(graph["x"].upstream, 2 * values)
    before.backward()
    assert torch.equal(x.grad, torch.full_like(values, 2))


def test_a_later_step_of_an_optimizer_does_not_change_the_graph():
    layer = nn.Linear(2, 1)
    weight = layer.weight.detach().clone()
    graph = trace(lambda x: layer(x).sum(), x=torch.ones(1, 2))
    with torch.no_grad():
        layer.weight.zero_()
    assert torch.equal(graph["layer.weight"].value, weight)
    assert torch.equal(graph["linear1"].local[0].reshape(1, 2), weight)


def test_running_statistics_are_not_moved():
    norm = nn.BatchNorm1d(3).double()
    trace(lambda x: norm(x).sum(), x=normal(4, 3))
    assert torch.equal(norm.running_mean, torch.zeros(3).double())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_trace_without_grad_mode_has_its_gradients(context):
    with context():
        graph = trace(lecture, **{k: torch.tensor(float(v)) for k, v in LECTURE.items()})
    assert graph["x"].upstream.item() == -4


def test_the_input_itself_may_be_the_result():
    graph = trace(lambda x: x.contiguous(), x=2.0)
    assert names(graph) == ["x"]
    assert graph["x"].upstream.item() == 1
    assert graph.steps == ()


def test_a_result_without_a_gradient_says_so():
    graph = trace(lambda x: x.detach() * 2, x=2.0)
    assert graph["x"].upstream is None
    with pytest.raises(RuntimeError, match="depends on nothing that wants a gradient"):
        graph.backpropagate()


def test_a_trace_within_a_trace_is_its_own():
    inner = []

    def expression(x):
        inner.append(trace(lecture, **LECTURE))
        return F.mul(x, x)

    assert names(trace(expression, x=3.0)) == ["x", "mul1"]
    assert names(inner[0]) == ["x", "y", "z", "q", "f"]
    assert Function.__dict__["apply"] is APPLY


def test_another_thread_is_not_recorded_and_can_trace_at_the_same_time():
    ready, go = threading.Event(), threading.Event()
    graphs = []

    def waiting(x):
        ready.set()
        go.wait(10)
        return F.sigmoid(x)

    thread = threading.Thread(target=lambda: graphs.append(trace(waiting, x=1.0)))
    thread.start()
    ready.wait(10)
    x = torch.ones(2, requires_grad=True)
    F.mul(x, x).sum().backward()
    graphs.append(trace(lecture, **LECTURE))
    go.set()
    thread.join()
    assert x.grad.tolist() == [2, 2]
    assert [names(g) for g in graphs] == [["x", "y", "z", "q", "f"], ["x", "sigmoid1"]]
    assert Function.__dict__["apply"] is APPLY


def test_a_long_loop_is_no_recursion():
    def expression(x):
        for _ in range(1500):
            x = x * 1.0
        return x

    graph = trace(expression, x=3.0)
    assert len(graph.steps) == 1500
    assert graph["x"].upstream.item() == 1


def test_the_package_is_found_by_name():
    import manualnet

    assert manualnet.graph is package
    assert "graph" in manualnet.__all__

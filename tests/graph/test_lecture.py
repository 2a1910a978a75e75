"""The lecture's own graphs: S59, S60 and golden A, with the numbers that it gives."""

import pytest
import torch

from manualnet.graph import trace

from .expressions import GOLDEN_A, LECTURE, lecture, two_layers


def test_s59_has_the_lectures_values_gradients_and_names():
    graph = trace(lecture, **LECTURE)
    assert [n.name for n in graph.nodes] == ["x", "y", "z", "q", "f"]
    assert [n.value.item() for n in graph.nodes] == [-2, 5, -4, 3, -12]
    assert [n.upstream.item() for n in graph.nodes] == [-4, -4, 3, -4, 1]
    assert [n.formula for n in graph.nodes] == ["", "", "", "x + y", "q × z"]
    assert graph.output is graph["f"]
    assert graph["f"].inputs == (graph["q"], graph["z"])
    assert graph["f"].downstream == (-4, 3)


def test_s60_local_derivatives_are_known_before_the_loss():
    # A result that is not a number: no gradient has gone back yet.
    graph = trace(lambda x, y, z: (x + y) * z, x=[-2.0, 1.0], y=[5.0, 1.0], z=[-4.0, 2.0])
    assert graph.steps == ()
    assert all(n.upstream is None for n in graph.nodes)
    to_q, to_z = graph.output.local
    assert to_q.tolist() == [-4, 2]
    assert to_z.tolist() == [3, 2]


def test_s60_a_value_used_twice_accumulates():
    def twice(a):
        b = a + a
        return b + b

    graph = trace(twice, a=1.0)
    assert graph["a"].upstream.item() == 4
    assert graph["b"].local == (1, 1)
    assert [e.downstream.item() for e in graph.edges] == [2, 2, 1, 1]


def test_golden_a_shows_every_delta():
    graph = trace(two_layers, **GOLDEN_A)
    expected = {
        "z": ([0.5, 0.802184], None),
        "y": ([0.479684], None),
        "E": (0.135365, 1.0),
        "a1": ([0.0, 1.4], [-0.022726, 0.012365]),
        "a2": ([-0.081310], [-0.129864]),
    }
    six_digits = {"atol": 1e-6, "rtol": 0}
    for name, (value, gradient) in expected.items():
        torch.testing.assert_close(graph[name].value, torch.tensor(value).double(), **six_digits)
        if gradient is not None:
            torch.testing.assert_close(graph[name].upstream, torch.tensor(gradient).double(), **six_digits)
    stepped = graph["W1"].value - 0.5 * graph["W1"].upstream
    wanted = torch.tensor([[0.111363, 0.511363, -0.277274], [-0.206182, 0.793818, 0.387635]]).double()
    torch.testing.assert_close(stepped, wanted, **six_digits)


def test_golden_a_local_derivatives_have_the_shapes_that_are_promised():
    graph = trace(two_layers, **GOLDEN_A)
    shapes = {str(e): tuple(e.local.shape) for e in graph.edges}
    assert shapes == {
        "Edge(x → a1)": (2, 3),
        "Edge(W1 → a1)": (2, 2, 3),
        "Edge(a1 → z)": (2,),
        "Edge(z → z1)": (3, 2),
        "Edge(z1 → a2)": (1, 3),
        "Edge(W2 → a2)": (1, 1, 3),
        "Edge(a2 → y)": (1,),
        "Edge(y → E)": (1,),
        "Edge(t → E)": (1,),
    }


def test_the_steps_go_back_node_by_node():
    graph = trace(lecture, **LECTURE)
    first, second = graph.backpropagate()
    assert (first.node.name, second.node.name) == ("f", "q")
    assert first.accumulated == {"f": 1, "q": -4, "z": 3}
    assert first.complete == {"f", "q", "z"}
    assert second.upstream.item() == -4
    assert second.accumulated == {"f": 1, "q": -4, "z": 3, "x": -4, "y": -4}
    assert str(first).splitlines() == [
        "Step 1 of 2: f = q × z",
        "  upstream 1",
        "  to q: -4 × 1 = -4",
        "  to z: 3 × 1 = 3",
    ]


def test_a_step_says_what_is_still_incomplete():
    def branch(x):
        s = x * 2
        u = s * 3
        return s + u

    graph = trace(branch, x=1.0)
    first, second, third = graph.backpropagate()
    assert first.accumulated["s"].item() == 1
    assert "s" not in first.complete
    assert "to s: 1 × 1 = 1; 1 so far" in str(first)
    assert second.accumulated["s"].item() == 4
    assert "s" in second.complete
    assert "to s: 3 × 1 = 3; together 4" in str(second)
    assert third.accumulated["x"].item() == 8
    # An earlier step still says what was known then.
    assert first.accumulated["s"].item() == 1


@pytest.mark.parametrize("gradient", [[1.0, 0.0], torch.tensor([0.5, -2.0])])
def test_a_result_of_several_numbers_starts_from_a_given_gradient(gradient):
    graph = trace(lambda x, y: x * y, x=[1.0, 2.0], y=[3.0, 4.0])
    with pytest.raises(RuntimeError, match=r"the result has the shape \(2,\); give a gradient of that shape"):
        graph.backpropagate()
    graph.backpropagate(gradient)
    torch.testing.assert_close(graph["x"].upstream, torch.as_tensor(gradient).double() * graph["y"].value)
    with pytest.raises(RuntimeError, match=r"must have the result's shape \(2,\), but has \(3,\)"):
        graph.backpropagate(torch.ones(3))

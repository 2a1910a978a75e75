"""Computation graphs."""

import torch

from experiments.lessons.algorithms import SigmoidNetwork, with_one
from experiments.lessons.figures.exercise import network_to_fill_in
from experiments.lessons.row import row
from experiments.lessons.show.values import written
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet import graph, numeric


@row(59, "f = (x + y) z", graph.trace, graph.Graph.backpropagate, graph.Graph.draw, F.add, F.mul)
def s59(work: Work) -> None:
    r"""At x = −2, y = 5, z = −4. Forward, q = x + y = 3 and f = q z = −12. Backward,

    ```math
    \frac{\partial f}{\partial z} = q = 3, \qquad \frac{\partial f}{\partial q} = z = -4, \qquad
    \frac{\partial f}{\partial x} = \frac{\partial f}{\partial q} \frac{\partial q}{\partial x} = -4, \qquad
    \frac{\partial f}{\partial y} = -4
    ```

    ```python
    >>> import torch
    >>> from manualnet import functional as F
    >>> x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> f = F.mul(F.add(x, y), z)
    >>> f.backward()
    >>> f.item(), x.grad.item(), y.grad.item(), z.grad.item()
    (-12.0, -4.0, -4.0, 3.0)
    ```
    """

    def expression(x, y, z):
        q = F.add(x, y)
        return graph.name("f", F.mul(graph.name("q", q), z))

    traced = graph.trace(expression, x=-2, y=5, z=-4)
    for name, value in (("q", 3), ("f", -12)):
        work.expect(name, value, traced[name].value)
    for name, gradient in (("z", 3), ("q", -4), ("x", -4), ("y", -4)):
        work.expect(f"∂f/∂{name}", gradient, traced[name].upstream)
    for edge in traced.edges:
        local, upstream = edge.local, edge.target.upstream
        assert local is not None
        assert upstream is not None
        name, how = f"∂{edge.target.name}/∂{edge.source.name}", f"{local:g} × {upstream:g}".replace("-", "−")
        work.step(
            f"downstream of {edge.target.name}, to {edge.source.name}", edge.downstream, f"{name} × upstream = {how}"
        )
        work.claim(
            f"{name} × ∂f/∂{edge.target.name} is what {edge.source.name} gets", local * upstream == edge.downstream
        )
    caption = "Forward: above each node its value, on each edge its local derivative. No gradient has been needed yet."
    work.figure("S59-0", caption, traced.draw, gradients=False)
    work.figure("S59-1", "Back from f: −4 × 1 goes to q, and 3 × 1 to z.", traced.draw, traced.steps[0])
    work.figure("S59-2", "Back from q: 1 × −4 goes to x, and the same to y.", traced.draw, traced.steps[1])
    work.ask(
        "f = (x + y) z. What is ∂f/∂x at x = 1, y = 2, z = 5?",
        5,
        {
            "that is ∂q/∂x, the local derivative; multiply it by what comes from upstream": 1,
            "that is ∂f/∂z = q": 3,
            "that is the value of f": 15,
        },
        digits=1,
    )


@row(60, "Two flows", graph.trace, graph.Edge, graph.Step)
def s60(work: Work) -> None:
    r"""At each node, downstream gradient = upstream gradient × local derivative. The values, and with them the local
    derivatives, flow forward and need no loss; the gradients flow back from it. A value used twice collects both
    gradients: with b = a + a and c = b + b, $`dc/da = (1 + 1)(1 + 1) = 4`$; and x · x at 3 has the slope 3 + 3 = 6.
    """

    def without_loss(x, y, z):
        return F.mul(graph.name("q", F.add(x, y)), z)

    # The result is two numbers, so that there is no loss to go back from yet.
    traced = graph.trace(without_loss, x=[-2.0, 1.0], y=[5.0, 1.0], z=[-4.0, 2.0])
    work.expect("before there is a loss: local derivative of q z along q", [-4, 2], traced.output.local[0])
    work.expect("and along z", [3, 2], traced.output.local[1])
    work.claim("no gradient has flowed", all(node.upstream is None for node in traced.nodes))
    known = [str(edge.local) for edge in traced.edges]
    for start in ([1.0, 0.0], [10.0, -1.0]):
        traced.backpropagate(start)
        unchanged = known == [str(edge.local) for edge in traced.edges]
        work.claim(f"with {written(start)} from upstream the local derivatives are the same", unchanged)
        work.expect(f"and x gets them × {written(start)}", [-4 * start[0], 2 * start[1]], traced["x"].upstream)

    def twice(a):
        b = graph.name("b", F.add(a, a))
        return graph.name("c", F.add(b, b))

    both = graph.trace(twice, a=1.0)
    for step in both.steps:
        work.step(step.title.partition(": ")[2], step.downstream[0], "along each of its two edges")
    work.expect("dc/da of b = a + a; c = b + b", 4, both["a"].upstream)
    work.expect("slope of x · x at 3", 6, graph.trace(lambda x: F.mul(x, x), x=3.0)["x"].upstream)
    work.figure("S60-twice", "A value used twice collects what comes along both edges.", both.draw)

    def any_expression(x):
        return graph.name("L", F.mul(graph.name("s", F.sigmoid(x)), x))

    drawn = graph.trace(any_expression, x=2.0)
    work.expect("any expression: slope of σ(x) x at 2, σ(2) + 2 σ′(2)", 1.090784, drawn["x"].upstream)
    at = torch.tensor(2.0, dtype=torch.float64)
    work.expect("the same by differences", 1.090784, numeric.gradient(any_expression, at))
    work.figure("S60-expression", "Any expression is drawn: here σ(x) x, where x collects from both edges.", drawn.draw)
    work.ask(
        "b = a · a and c = b + a. What is dc/da at a = 3?",
        7,
        {
            "a reaches c along a third way, directly": 6,
            "a · a uses a twice, and collects both": 4,
            "b is a · a: its slope is a + a": 3,
        },
        digits=1,
    )


@row(61, "Hands-on exercise", SigmoidNetwork, network_to_fill_in)
def s61(work: Work) -> None:
    r"""One step of the algorithm of [S55](#s55), to be done by hand: sigmoids in both layers, ½ squared error, η = .8,

    ```math
    x = \begin{pmatrix} 2 \\ -1 \end{pmatrix}, \quad t = \begin{pmatrix} 1 \\ 0 \end{pmatrix}, \quad
    W_1 = \begin{pmatrix} 0 & 1 & 2 \\ 1 & -1 & -1 \end{pmatrix}, \quad
    W_2 = \begin{pmatrix} 1 & -6 & 4 \\ -2 & 6 & -2 \end{pmatrix}
    ```

    with the biases in the first column. The numbers are chosen so that no calculator is needed: σ(0) = ½.

    `python -m experiments.lecture --row S61 --quiz` asks for each number in turn, says what a wrong one comes from, and
    shows the answer when asked with an empty line.
    """
    x, t, eta = torch.tensor([2.0, -1.0]).double(), torch.tensor([1.0, 0.0]).double(), 0.8
    W1 = torch.tensor([[0.0, 1.0, 2.0], [1.0, -1.0, -1.0]]).double()
    W2 = torch.tensor([[1.0, -6.0, 4.0], [-2.0, 6.0, -2.0]]).double()
    network = SigmoidNetwork(W1, W2)
    z, y = network.outputs(x)
    delta_k, delta_j = network.deltas(z, y, t)
    network.learn_example(x, t, eta)
    work.figure(
        "S61-network",
        "The network, with its weights. What is to be found stands as ?.",
        network_to_fill_in,
        x,
        t,
        W1,
        W2,
    )

    W = [W1.clone().requires_grad_(), W2.clone().requires_grad_()]
    error = F.squared_error(F.sigmoid(F.linear(with_one(F.sigmoid(F.linear(with_one(x), W[0]))), W[1])), t)
    gradients = torch.autograd.grad(error, W)
    for name, before, gradient, after in zip(("W₁", "W₂"), (W1, W2), gradients, (network.W1, network.W2), strict=True):
        apart = (before - eta * gradient - after).abs().max()
        work.claim(f"the answers for {name} are those of the hand-written backward passes", apart < 1e-15)
    E = float((y - t).square().sum() / 2)
    work.claim("the step makes the error smaller", network.errors(x, t) < E)

    work.ask(
        "1 of 7. What are the weighted sums a_j of the two hidden units?",
        W1 @ with_one(x),
        {"the bias is missing: its input is 1": [0, -1], "x₂ is −1: mind its sign": [4, -2]},
    )
    work.ask(
        "2 of 7. What are the outputs y_k?",
        y,
        {"that is a_k; the output is σ(a_k)": [0, 0], "σ(0) is ½": [1, 1]},
    )
    work.ask(
        "3 of 7. What is E?",
        E,
        {
            "the ½ is missing": 0.5,
            "both outputs count": 0.125,
            "square each error before they are added": 0.0,
        },
    )
    work.ask(
        "4 of 7. What are the two δ_k?",
        delta_k,
        {
            "the sign is y_k − t_k, not t_k − y_k": -delta_k,
            "h′(a_k) = y_k (1 − y_k) is missing": y - t,
            "that is twice δ_k: h′ is y_k (1 − y_k), both factors, and E's ½ takes the 2 of the square": 2 * delta_k,
        },
    )
    moved = W2 - eta * torch.outer(delta_k, with_one(z))
    work.ask(
        "5 of 7. What are the two δ_j?",
        delta_j,
        {
            "the sign of δ_k was lost on the way": -delta_j,
            "h′(a_j) = z_j (1 − z_j) is missing": delta_k @ W2[:, 1:],
            "each hidden unit feeds both outputs: sum over k": z * (1 - z) * W2[0, 1:] * delta_k[0],
            "W₂ was changed first: all δ belong to the old weights": z * (1 - z) * (delta_k @ moved[:, 1:]),
            "that is the row of W₂; unit j takes the column of its own weights": z * (1 - z) * (W2[:, 1:] @ delta_k),
            "the first column is the bias; it feeds no hidden unit": z * (1 - z) * (delta_k @ W2[:, :2]),
        },
        digits=4,
    )
    step = {
        "the step goes against the gradient: subtract it": 1,
        "the factor η = .8 is missing": -1 / eta,
    }
    work.ask(
        "6 of 7. What is the first row of W₂ after the step?",
        network.W2[0],
        {
            **{why: W2[0] + f * eta * delta_k[0] * with_one(z) for why, f in step.items()},
            "each weight's input z_j is missing": W2[0] - eta * delta_k[0],
        },
        digits=4,
    )
    work.ask(
        "7 of 7. What is the first row of W₁ after the step?",
        network.W1[0],
        {
            **{why: W1[0] + f * eta * delta_j[0] * with_one(x) for why, f in step.items()},
            "each weight's input x_i is missing": W1[0] - eta * delta_j[0],
            "δ_j came from the new W₂": W1[0] - eta * (z * (1 - z) * (delta_k @ moved[:, 1:]))[0] * with_one(x),
        },
        digits=4,
    )

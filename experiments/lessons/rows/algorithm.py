"""Backpropagation, put together: the training algorithm."""

import torch

from experiments.lessons.algorithms import SMALL, STOPPED, SigmoidNetwork, TanhNetwork, small_random, train, with_one
from experiments.lessons.figures.chain import chain
from experiments.lessons.figures.stopping import stopping
from experiments.lessons.goldens import ETA, W1, W2, A, B, T, X
from experiments.lessons.lockstep import beside_autograd, beside_manualnet
from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F
from manualnet import graph

CORNERS = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
XOR = torch.tensor([[0.0], [1.0], [1.0], [0.0]], dtype=torch.float64)
SAME = torch.ones(2, 1, dtype=torch.float64)
EITHER = torch.tensor([[0.0], [1.0]], dtype=torch.float64)


LOOK = {"known_as": {"a_k": "δₖ", "a_j": "δⱼ"}, "factors": {"W1": "x", "W2": "z₁"}}


@row(55, "The algorithm", SigmoidNetwork, train, small_random, beside_manualnet)
def s55(work: Work) -> None:
    r"""For sigmoids and ½ squared error: set all weights to small random values. Then, until all errors are small or
    the error stops falling, take one example after the other, compute the outputs, then

    ```math
    \delta_k = y_k (1 - y_k)(y_k - y_k'), \qquad \delta_j = z_j (1 - z_j) \sum_k w_{kj}\, \delta_k
    ```

    and move the weights as in [S53](#s53). Why random: from weights of zero, all hidden units of a layer get the same
    gradient and stay equal.

    The second rule ends the training wherever the error stands still: at the best that can be had, on a plateau, and
    after the first step that was too long.
    """
    network = A.network()
    z, y = network.outputs(X[1:])
    delta_k, delta_j = network.deltas(z, y, T)
    work.expect("golden A: z", A.numbers.z, z)
    work.expect("y", A.numbers.y, y)
    work.expect("E", A.numbers.E, network.errors(X[1:], T))
    work.expect("δ_k", A.numbers.delta_k, delta_k)
    work.expect("δ_j", A.numbers.delta_j, delta_j)
    network.learn_example(X[1:], T, ETA)
    work.expect("W₁ after the step, η = .5", A.numbers.W1_after, network.W1)
    work.expect("W₂ after the step", A.numbers.W2_after, network.W2)
    work.expect("E after the step", A.numbers.E_after, network.errors(X[1:], T))

    start = small_random(2, 4, 1, seed=2, size=1.0)
    for batched, name in ((False, "example by example"), (True, "all examples at once")):
        for library, beside in (("manualnet's layers", beside_manualnet), ("PyTorch's autograd", beside_autograd)):
            found = beside(
                SigmoidNetwork(*start), CORNERS, XOR, eta=2.0, epochs=200 if batched else 50, batched=batched
            )
            work.claim(f"{name}: the same weights as {library}", found.apart < 1e-12 < found.moved, str(found))

    zero = SigmoidNetwork(torch.zeros_like(start[0]), torch.zeros_like(start[1]))
    train(zero, CORNERS, XOR, eta=2.0, small=0.01, epochs=10)
    work.step("four hidden units trained from zero: W₁", zero.W1)
    work.claim("from zero all hidden units stay equal", bool((zero.W1[0] == zero.W1).all() and zero.W1.any()))

    runs = {
        "XOR, weights up to 1": train(SigmoidNetwork(*start), CORNERS, XOR, eta=2.0, small=0.01),
        "XOR, weights up to .1": train(SigmoidNetwork(*(W / 10 for W in start)), CORNERS, XOR, eta=2.0, small=0.01),
        "one input that is to give 0 and 1": train(
            SigmoidNetwork(*(W + 1 for W in small_random(1, 2, 1, seed=0))),
            SAME,
            EITHER,
            eta=0.5,
            small=0.01,
            least=1e-6,
        ),
    }
    for name, training in runs.items():
        work.step(name, training.errors[-1], f"summed error after {training.epochs} epochs: {training.reason}")
    first, plateau, contradiction = runs.values()
    work.claim("the first rule: XOR is learnt, and every error is below .01", first.reason == SMALL)
    work.claim("the second rule: two targets for one input leave ½ · ½² each", contradiction.reason == STOPPED)
    work.expect("their summed error", 0.25, contradiction.errors[-1], digits=3)
    work.claim("the second rule also ends XOR on its plateau, if the weights are too small", plateau.reason == STOPPED)
    work.expect("the plateau, where every output is ½", 0.5, plateau.errors[-1], digits=3)
    work.figure(
        "S55-stopping",
        "Error of three trainings against epochs, and which rule ended each: all errors small, or no more falling. "
        "Both the contradiction and the plateau end by the second rule; it cannot tell them apart.",
        stopping,
        runs,
    )
    traced = graph.trace(A.error, W1=W1, W2=W2)
    path = ["x", "a_j", "z", "z_1", "a_k", "y", "E"]
    caption = "Golden A forward: values, and the local derivatives that they give. No error has been needed yet."
    work.figure("S55-golden-0", caption, chain, traced, path, gradients=False, **LOOK)
    for step in traced.steps:
        caption = f"Golden A, back from {step.node.name}: each edge takes its local derivative × the upstream gradient."
        work.figure(f"S55-golden-{step.number}", caption, chain, traced, path, step, **LOOK)


@row(56, "Another example", TanhNetwork, train, F.tanh, F.squared_error)
def s56(work: Work) -> None:
    r"""Tanh in the hidden layer, identity at the output, and ½ squared error:

    ```math
    E = \frac12 \sum_k (y_k - t_k)^2, \qquad \delta_k = y_k - t_k, \qquad
    \delta_j = (1 - z_j^2) \sum_k w_{kj}\, \delta_k
    ```

    The derivatives are $`\delta_j x_i`$ and $`\delta_k z_j`$, as before.
    """
    network = B.network()
    z, y = network.outputs(X[1:])
    delta_k, delta_j = network.deltas(z, y, T)
    work.expect("golden B: z", B.numbers.z, z)
    work.expect("y", B.numbers.y, y)
    work.expect("E", B.numbers.E, network.errors(X[1:], T))
    work.expect("δ_k", B.numbers.delta_k, delta_k)
    work.expect("δ_j", B.numbers.delta_j, delta_j)
    work.expect("dW₁ = δ_j x_i", B.numbers.dW1, torch.outer(delta_j, X))
    work.expect("dW₂ = δ_k z_j", B.numbers.dW2, torch.outer(delta_k, with_one(z)))
    traced = graph.trace(B.error, W1=W1, W2=W2)
    work.expect("dW₁ by hand-written rules", B.numbers.dW1, traced["W1"].upstream)
    work.expect("dW₂ by hand-written rules", B.numbers.dW2, traced["W2"].upstream)
    start = small_random(2, 4, 1, seed=2, size=1.0)
    for batched, name in ((False, "example by example"), (True, "all examples at once")):
        for library, beside in (("manualnet's layers", beside_manualnet), ("PyTorch's autograd", beside_autograd)):
            found = beside(TanhNetwork(*start), CORNERS, XOR, eta=0.1, epochs=100 if batched else 25, batched=batched)
            work.claim(f"{name}: the same weights as {library}", found.apart < 1e-12 < found.moved, str(found))
    training = train(TanhNetwork(*start), CORNERS, XOR, eta=0.1, small=0.01)
    work.step("XOR", training.errors[-1], f"summed error after {training.epochs} epochs: {training.reason}")
    work.claim("it learns XOR", training.reason == SMALL)
    caption = "Golden B, values and gradients: on each edge local derivative × upstream gradient = downstream gradient."
    work.figure("S56-golden", caption, chain, traced, ["x", "a_j", "z", "z_1", "a_k", "E"], **LOOK)
    work.ask(
        "A tanh unit gives z = −.5 and feeds two identity outputs, with the weights 1 and −2. They give 3 and 1, "
        "where 2 and 2 are wanted. What is the unit's δ_j?",
        2.25,
        {
            "h′ = 1 − z² is missing": 3,
            "the sum goes over both outputs": 0.75,
            "δ_k is y_k − t_k: the second is −1": -0.75,
            "h′ is 1 − z², not z (1 − z)": -2.25,
        },
    )


@row(57, "The order of things", SigmoidNetwork.learn_example)
def s57(work: Work) -> None:
    r"""The slides change the top weights first and compute the hidden errors next.

    ⚠ All $`\delta`$ belong to the old weights: forward, then back through the whole network, and only then is any
    weight moved. Golden A in the wrong order would give [−.023780, .011291] in place of
    $`\delta_j`$ = [−.022726, .012365].
    """
    z, y = A.network().outputs(X[1:])
    delta_k, delta_j = A.network().deltas(z, y, T)
    moved = SigmoidNetwork(W1, W2 - ETA * torch.outer(delta_k, with_one(z)))
    _, wrong = moved.deltas(z, y, T)
    work.step("W₂ before", W2)
    work.step("W₂ moved too early", moved.W2)
    work.expect("δ_j by the old W₂", A.numbers.delta_j, delta_j)
    work.expect("δ_j by the new W₂, which is wrong", [-0.023780, 0.011291], wrong)
    work.slip("golden A: δ_j with the top weights changed first, and with the old ones", slide=wrong, right=delta_j)
    weights = W1.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(A.error(weights, W2), weights)
    for name, found, fits in (("old", delta_j, True), ("new", wrong, False)):
        apart = (torch.outer(found, X) - gradient).abs().max()
        sentence = f"δ_j x_i by the {name} W₂ is {'' if fits else 'not '}the gradient of E"
        work.claim(sentence, (apart < 1e-15) == fits, f"off by {apart:.0e}")


@row(58, "“Recall”", SigmoidNetwork.learn_example)
def s58(work: Work) -> None:
    r"""What the algorithm does to a hidden weight is gradient descent, by the chain rule:

    ```math
    w_{ji} \leftarrow w_{ji} - \eta\, \frac{dE}{dz_j} \frac{dz_j}{da_j} \frac{da_j}{dw_{ji}}
    ```

    ⚠ The slide has one factor too many, $`da_j / da_j`$. It is 1: it does no harm, and stands for nothing.
    """
    z, wanted = graph.trace(A.error, W1=W1, W2=W2)["z"], A.numbers
    upstream, local = z.upstream, z.local[0]
    assert upstream is not None
    assert local is not None
    dE_dz, dz_da, x = float(upstream[1]), float(local[1]), float(X[2])
    work.step("dE/dz_j", dE_dz, "golden A, second hidden unit")
    work.step("dz_j/da_j", dz_da)
    work.step("da_j/dw_ji = x_i", x, "second input")
    work.expect("dE/dw_ji, three factors", wanted.dW1[1][2], dE_dz * dz_da * x)
    work.expect("w_ji after the step", wanted.W1_after[1][2], float(W1[1, 2]) - ETA * dE_dz * dz_da * x)
    a = z.inputs[0].value.clone().requires_grad_()
    (itself,) = torch.autograd.grad(a.sum(), a)
    work.expect("da_j/da_j", [1, 1], itself)
    four = [dE_dz, dz_da, float(itself[1]), x]
    work.slip("the factors, of which one is da_j/da_j", slide=four, right=[dE_dz, dz_da, x])

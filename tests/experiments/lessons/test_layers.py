"""S1 to S6: what the rows' own numbers and claims leave open."""

import torch

from experiments.lessons import figure51
from experiments.lessons.contents import find
from experiments.lessons.work import Drawing, Number
from manualnet import functional as F
from manualnet.reference import functional as reference


def _figure(work, name):
    return next(d for d in work.of(Drawing) if d.name == name).draw()


def test_the_network_is_drawn_with_all_its_numbers(work_of):
    (axes,) = _figure(work_of("S2"), "S2-network").axes
    texts = [text.get_text() for text in axes.texts]
    weights = {text for text in texts if "\n" not in text}
    assert weights == {"0.1", "0.5", "−0.3", "−0.2", "0.8", "0.4", "0.05", "0.7", "−0.6"}
    units = dict(text.split("\n") for text in texts if "\n" in text)
    assert units == {"$x_0$": "1", "$x_1$": "1", "$x_2$": "2"} | {
        "$z_0$": "1",
        "$z_1$": "0.5",
        "$z_2$": "0.802",
        "$y_1$": "0.48",
    }


def test_no_link_leads_into_a_unit_that_is_always_1(work_of):
    (axes,) = _figure(work_of("S2"), "S2-network").axes
    links = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 2]
    assert len(links) == 9
    top = max(start[1] for start, _ in links)
    assert all(end[1] < top for _, end in links)


def test_the_sample_networks_gradients_are_pytorchs():
    network = figure51.layers()
    grads = torch.autograd.grad(F.squared_error(network(figure51.X), figure51.T), list(network.parameters()))
    w1, b1, w2, b2 = twins = [p.detach().clone().requires_grad_() for p in network.parameters()]
    hidden = torch.sigmoid(torch.nn.functional.linear(figure51.X, w1, b1))
    y = torch.sigmoid(torch.nn.functional.linear(hidden, w2, b2))
    expected = torch.autograd.grad(reference.squared_error(y, figure51.T), twins)
    torch.testing.assert_close(grads, expected, rtol=1e-14, atol=0)


def test_the_global_seed_stays_as_it_was():
    state = torch.get_rng_state()
    figure51.layers()
    for name in ("S3", "S6"):
        find(name).run()
    assert torch.equal(torch.get_rng_state(), state)


def test_softmaxs_example_is_that_of_cross_entropy(work_of):
    p = next(n for n in work_of("S5").of(Number) if n.name == "p")
    torch.testing.assert_close(p.computed[0].log(), torch.tensor(-2.040355, dtype=torch.float64), rtol=0, atol=5e-7)

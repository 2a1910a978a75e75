"""S13 to S17: toy data, small networks, and the pictures of what they do."""

import itertools
import math

import pytest
import torch

import manualnet
from experiments.lessons import approximation, depth, neuron, shapes, toy
from experiments.lessons.contents import find
from experiments.lessons.figures.boundaries import accuracy
from experiments.lessons.perceptron import classifier, count, minimise, perceptron
from experiments.lessons.work import Drawing
from experiments.training import models
from experiments.training.config import Config
from manualnet import functional as F
from manualnet import nn
from manualnet.handwritten import foreign_nodes


def _figure(work, name):
    return next(d for d in work.of(Drawing) if d.name == name).draw()


@pytest.mark.parametrize("row", ["S13", "S14", "S15", "S16", "S17"])
def test_the_global_seed_stays_as_it_was(row):
    state = torch.get_rng_state()
    find(row).run()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("data", [toy.xor, toy.moons, toy.spiral])
def test_data_are_the_same_at_every_call(data):
    points, target = data()
    assert torch.equal(points, data()[0])
    assert points.shape == (len(target), 2)
    assert target.sum() == len(target) / 2


def test_no_line_gets_more_than_three_corners_of_xor_right():
    data = toy.xor()
    line = perceptron([2, 1])
    angles = torch.linspace(0, 2 * math.pi, 73, dtype=torch.float64)
    best = 0.0
    for angle, offset in itertools.product(angles, torch.linspace(-2, 2, 41, dtype=torch.float64)):
        line.load_state_dict({"0.weight": torch.stack([angle.cos(), angle.sin()])[None], "0.bias": offset[None]})
        best = max(best, accuracy(line, data))
    assert best == 0.75


def test_a_perceptrons_gradients_are_written_by_hand():
    points, target = toy.moons()
    network = perceptron([2, 3, 1])
    assert foreign_nodes(F.binary_cross_entropy_with_logits(network(points).squeeze(1), target)) == []


def test_weights_have_the_size_that_was_asked_for():
    network = perceptron([400, 300, 1], gain=3.0, bias=0.5)
    assert network[0].weight.std().item() == pytest.approx(3 / 20, rel=0.01)
    assert network[0].bias.std().item() == pytest.approx(0.5, rel=0.1)
    assert not torch.equal(network[0].weight, perceptron([400, 300, 1], gain=3.0, seed=1)[0].weight)


def test_minimising_reaches_the_least_squares_line():
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    line = perceptron([1, 1])
    minimise(line, lambda: F.mse_loss(line(x), x.exp()), steps=20)
    best = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], dim=1), x.exp()).solution[:, 0]
    torch.testing.assert_close(torch.cat([line[0].weight[0], line[0].bias]), best, rtol=1e-6, atol=0)


def test_the_panels_say_how_many_points_are_right(work_of):
    panels = _figure(work_of("S13"), "S13-boundaries").axes
    assert len(panels) == 12
    data = toy.spiral()
    assert panels[8].get_title() == f"linear: {100 * accuracy(classifier(data), data):.0f} %"
    assert panels[11].get_title() == "16 units: 100 %"
    assert all(len(axes.lines) == 2 for axes in panels), "points of two classes"


@pytest.mark.parametrize("width", [1, 3, 8])
def test_weights_set_by_hand_join_points_of_the_target(width):
    network = approximation.by_hand(width)
    knots = torch.linspace(-1, 1, width + 1, dtype=torch.float64)[:, None]
    torch.testing.assert_close(network(knots), approximation.target(knots), rtol=0, atol=1e-13)
    between = (knots[:-1] + knots[1:]) / 2
    halfway = (approximation.target(knots[:-1]) + approximation.target(knots[1:])) / 2
    torch.testing.assert_close(network(between), halfway, rtol=0, atol=1e-13)


class Square(nn.Module):
    def forward(self, x):
        return x * x


def test_squares_get_no_closer_than_a_parabola():
    network = perceptron([1, 12, 1], Square, bias=1)
    x = approximation.grid(1001)
    minimise(network, lambda: F.mse_loss(network(x), approximation.target(x)), steps=60)
    limit = approximation.best_with_squares()
    assert approximation.error(network) == pytest.approx(limit, rel=1e-3)
    assert approximation.error(network) > limit * (1 - 1e-9)


def test_the_drawn_error_is_the_measured_one(work_of):
    figure = _figure(work_of("S14"), "S14-approximation")
    errors = next(axes for axes in figure.axes if axes.get_ylabel())
    drawn = [line for line in errors.lines if len(line.get_xdata()) == len(approximation.WIDTHS)]
    by_hand = [approximation.error(approximation.by_hand(width)) for width in approximation.WIDTHS]
    assert list(drawn[0].get_ydata()) == by_hand
    assert drawn[1].get_ydata()[4] < drawn[1].get_ydata()[0] / 20


def test_learning_xor_with_steps_moves_the_top_layer_alone():
    run = neuron.learn_xor(nn.Step, steps=20)
    assert run.moved == 0
    assert run.losses[-1] < run.losses[0]


def test_a_simple_cell_answers_to_the_middle_of_its_field():
    picture = torch.rand(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    answer = (picture[2:5, 4:7] * neuron.EDGE).sum().clamp(min=0)
    assert neuron.simple(picture)[3, 5].item() == pytest.approx(answer.item(), abs=1e-15)


def test_shapes_of_a_real_pass_and_of_one_without_values_are_the_same():
    config = Config(model="mlp", width=7)
    with torch.random.fork_rng(devices=[]):
        real = shapes.passages(models.build(manualnet, config), torch.zeros(2, 3, 32, 32))
    with torch.device("meta"):
        assert real == shapes.passages(models.build(manualnet, config), torch.zeros(2, 3, 32, 32))


def test_a_layer_that_is_given_something_else_is_told_and_hooks_are_removed():
    class Skipping(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.ReLU(), nn.ReLU()

        def forward(self, x):
            self.first(x)
            return self.second(x)

    network = Skipping()
    assert [p.chained for p in shapes.passages(network, torch.ones(1))] == [True, False]
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("folds", [1, 2, 4])
def test_a_tent_is_folded_again_and_again(folds):
    x = torch.linspace(0, 1, 33, dtype=torch.float64)[:, None]
    expected = x
    for _ in range(folds):
        expected = 1 - (2 * expected - 1).abs()
    torch.testing.assert_close(depth.tent(folds)(x), expected, rtol=0, atol=1e-12)


def test_one_layer_has_no_more_pieces_than_units_and_one():
    for seed in range(5):
        network = perceptron([1, 10, 1], nn.ReLU, gain=3, bias=3, seed=seed)
        # Units bend at multiples of 1/256, where pieces are counted.
        layer = network[0]
        layer.weight.data.fill_(1)
        layer.bias.data.copy_((layer.bias * 100).round() / 256)
        assert 1 < depth.pieces(network) <= 11


@pytest.mark.parametrize(("kind", "activation"), [("ReLU", torch.relu), ("sigmoid", torch.sigmoid)])
def test_the_gradients_norms_are_those_of_pytorchs_gradients(kind, activation):
    points, target = toy.spiral()
    layer, gain = depth.KINDS[kind]
    parameters = list(perceptron([2, 32, 32, 32, 1], layer, gain=gain).parameters())
    x = points
    for i, (weight, bias) in enumerate(zip(parameters[::2], parameters[1::2], strict=True)):
        x = torch.nn.functional.linear(x if i == 0 else activation(x), weight, bias)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(x[:, 0], target)
    norms = [g.norm().item() for g in torch.autograd.grad(loss, parameters[::2])]
    assert depth.gradient_norms(kind, 3) == pytest.approx(norms, rel=1e-10)


def test_sizes_are_near_what_was_asked_for():
    for layers in (1, 2, 4, 8):
        width = depth.width_for(layers, 236)
        sizes = {w: count(perceptron([2, *[w] * layers, 1])) for w in (width - 1, width, width + 1)}
        assert min(sizes, key=lambda w: abs(sizes[w] - 236)) == width


def test_the_vanishing_gradient_is_drawn_as_measured(work_of):
    left, right = _figure(work_of("S17"), "S17-vanishing").axes
    by_kind = {line.get_label(): list(line.get_ydata()) for line in right.lines}
    assert by_kind["sigmoid"] == [depth.gradient_norms("sigmoid", d)[0] for d in depth.DEPTHS]
    assert by_kind["sigmoid"][-1] < 1e-8 * by_kind["sigmoid"][0]
    assert by_kind["ReLU"][-1] > 1e-2 * by_kind["ReLU"][0]
    assert all(len(line.get_ydata()) == 11 for line in left.lines)

"""Something to minimise: what the pictures of weights show, and that descent ends where algebra does."""

import pytest
import torch

from experiments.lessons.contents import find
from experiments.lessons.figures.choice import bars
from experiments.lessons.figures.weights import as_pictures, gallery, templates
from experiments.lessons.templates import accuracy, hidden_weights, template_classifier
from experiments.lessons.work import Slip
from manualnet import functional as F


@pytest.fixture(scope="module")
def blots():
    """Grey pictures with a white square in a place that tells the class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 10
    images = torch.rand(200, 3, 32, 32, generator=generator)
    for image, k in zip(images, labels.tolist(), strict=True):
        image[:, 6 * (k // 5) : 6 * (k // 5) + 6, 6 * (k % 5) : 6 * (k % 5) + 6] = 1.0
    return images, labels


def test_a_template_is_bright_where_its_class_is(blots):
    images, labels = blots
    weight, bias = template_classifier(images, labels, steps=20)
    assert accuracy(F.linear(images.flatten(1), weight, bias), labels) > 0.95
    for k, image in enumerate(as_pictures(weight)):
        means = torch.nn.functional.avg_pool2d(image.mean(0)[None, None, :12, :30], 6).flatten()
        assert means.argmax() == k
        assert means[k] > 0.6


def test_the_bias_takes_the_mean_in(blots):
    """One step from zero has a closed form: on the centred pixels, and folded back."""
    images, labels = blots
    weight, bias = template_classifier(images, labels, steps=1)
    x = images.flatten(1).double()
    centred = x - x.mean(0)
    delta = torch.full((200, 10), 0.1, dtype=torch.float64) - torch.eye(10, dtype=torch.float64)[labels]
    expected = -0.01 * 1.9 * delta.T @ centred / 200
    torch.testing.assert_close(weight.double(), expected, rtol=1e-3, atol=1e-8)
    torch.testing.assert_close(bias.double(), -expected @ x.mean(0), rtol=1e-3, atol=1e-6)


def test_a_hidden_layer_learns_and_is_the_same_each_time(blots):
    images, labels = blots
    state = torch.get_rng_state()
    first, loss = hidden_weights(images, labels, units=12, steps=60)
    again, _ = hidden_weights(images, labels, units=12, steps=60)
    assert first.shape == (12, 3072)
    assert loss < 1.0
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_as_pictures_keep_their_sign_and_place():
    weight = torch.zeros(2, 3072)
    weight[0, 5], weight[1, 1024 + 32] = 3.0, -0.25
    picture = as_pictures(weight)
    assert picture[0, 0, 0, 5] == 1
    assert picture[1, 1, 1, 0] == 0
    assert (picture == 0.5).sum() == 2 * 3072 - 2
    assert torch.equal(as_pictures(torch.zeros(1, 3072)), torch.full((1, 3, 32, 32), 0.5))


def test_a_gallery_shows_every_picture_under_its_title(blots):
    images, _ = blots
    figure = gallery(images[:7], [f"picture {i}" for i in range(7)], columns=3)
    assert [axes.get_title() for axes in figure.axes] == [f"picture {i}" for i in range(7)]
    for axes, image in zip(figure.axes, images, strict=False):
        assert (axes.images[0].get_array() == image.permute(1, 2, 0).numpy()).all()
    assert len(templates(torch.rand(10, 3072)).axes) == 10


def test_the_star_stands_over_the_smallest():
    figure = bars([1, 2, 3], [2, 5, 0.5], [1, 2, 3])
    starred = [[text.get_text() for text in axes.texts if "★" in text.get_text()] for axes in figure.axes]
    assert starred == [["★ 0.5"], ["★ 3"]]


def test_the_slips_differ_from_what_is_right(work_of):
    (ship,) = work_of("S22").of(Slip)
    assert (ship.slide - ship.right).tolist() == pytest.approx([0, 0, 1.2])


def test_rows_leave_the_stream_alone():
    state = torch.get_rng_state()
    for name in ("S18", "S19", "S21", "S22"):
        find(name).run()
    assert torch.equal(torch.get_rng_state(), state)


def test_templates_and_pictures_are_of_every_class(work_of):
    for row in ("S20", "S21"):
        drawn = {d.name: d.draw() for d in work_of(row).entries if hasattr(d, "draw")}
        titled = drawn["S20-pictures" if row == "S20" else "S21-templates"]
        assert len({axes.get_title() for axes in titled.axes}) == 10
        for axes in titled.axes:
            assert axes.images[0].get_array().std() > 0.02

"""The drawn data set: the same from the same seed, balanced, and a task for a convolution."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from experiments.training import embedded


@pytest.fixture(scope="module")
def drawn():
    start = time.perf_counter()
    train, test = embedded.draw(embedded.TRAIN, seed=0), embedded.draw(embedded.TEST, seed=1)
    assert time.perf_counter() - start < 20  # it takes one second
    return [(_numbers(images), torch.from_numpy(labels).long()) for images, labels in (train, test)]


def _numbers(images):
    return torch.from_numpy(images).float().div(63.75).sub(2)


def test_format_and_balance():
    images, labels = embedded.draw(200, seed=3)
    assert images.shape == (200, 3, 32, 32)
    assert images.dtype == labels.dtype == np.uint8
    assert len(embedded.CLASSES) == 10
    assert (np.bincount(labels) == 20).all()
    assert images.min() == 0
    assert images.max() == 255


def test_a_seed_draws_the_same_and_another_seed_none_of_them():
    images, labels = embedded.draw(500, seed=3)
    again, same = embedded.draw(500, seed=3)
    assert (images == again).all()
    assert (labels == same).all()
    others = {picture.tobytes() for picture in embedded.draw(500, seed=4)[0]}
    assert len({picture.tobytes() for picture in images}) == 500
    assert not others & {picture.tobytes() for picture in images}


def test_the_shape_can_be_told_from_its_ground():
    generator = torch.Generator().manual_seed(0)
    ground, ink = embedded._colours(5000, generator)
    assert (ink - ground).square().sum(1).sqrt().min() > 0.25
    assert 0 <= ink.min() <= ink.max() <= 1


@pytest.mark.parametrize("name", embedded.CLASSES)
def test_a_shape_fits_its_frame_and_fills_a_part_of_it(name):
    axis = torch.linspace(-1.5, 1.5, 301)
    distance = embedded.SHAPES[name](axis.view(1, 1, -1), axis.view(1, -1, 1))
    inside = distance[0] < 0
    radius = torch.hypot(axis.view(1, -1), axis.view(-1, 1))
    assert radius[inside].max() <= 1.06
    assert 0.1 < inside.sum() * 0.01**2 / torch.pi < 0.8


def _accuracy(net, drawn, epochs, rate):
    (images, labels), (test_images, test_labels) = drawn
    steps = epochs * len(images) // 100
    optimizer = torch.optim.AdamW(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return (net.eval()(test_images).argmax(1) == test_labels).double().mean().item()


def test_a_linear_classifier_stays_low(drawn):
    torch.manual_seed(0)
    accuracy = _accuracy(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), drawn, 5, 1e-3)
    assert 0.13 < accuracy < 0.4  # 0.19: above guessing, far below a convolution


def test_a_small_convolutional_network_learns_it(drawn):
    torch.manual_seed(0)

    def layer(before, after, size, stride):
        return [
            nn.Conv2d(before, after, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]

    net = nn.Sequential(
        *layer(3, 24, 5, 2),
        nn.MaxPool2d(2),
        *layer(24, 64, 3, 1),
        *layer(64, 64, 3, 2),
        nn.Flatten(),
        nn.Linear(1024, 10),
    ).to(memory_format=torch.channels_last)
    assert _accuracy(net, drawn, 5, 5e-3) > 0.75  # 0.82, in ten seconds

"""Classifiers of pixels, trained for a second or two, whose weights can be looked at as pictures."""

import torch
from torch import Tensor

from manualnet import functional as F
from manualnet.optim import SGD

BATCH = 200


def template_classifier(images: Tensor, labels: Tensor, steps: int = 30) -> tuple[Tensor, Tensor]:
    """W and b of the linear classifier Wx + b on pixels x from 0 to 1, by gradient descent on the cross-entropy.

    Args:
        images: (N, 3, 32, 32).
        labels: (N,).
        steps: each sees all images.

    Returns:
        W, (10, 3072), and b, (10,). Weight decay is strong, so that a row shows the pixels that matter for its class.
    """
    x = images.flatten(1)
    mean = x.mean(0)
    # Without their mean all pixels learn at one rate. The bias takes it in: W(x − mean) + b = Wx + (b − W mean).
    centred = x - mean
    weight, bias = torch.zeros(10, x.shape[1], requires_grad=True), torch.zeros(10, requires_grad=True)
    optimizer = SGD([weight, bias], lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(F.linear(centred, weight, bias), labels).backward()
        optimizer.step()
    return weight.detach(), (bias - weight @ mean).detach()


def hidden_weights(images: Tensor, labels: Tensor, units: int = 20, steps: int = 100) -> tuple[Tensor, float]:
    """The first layer's weights, (units, 3072), of a network with one hidden layer of ReLUs, and its last loss.

    Args:
        images: (N, 3, 32, 32), from 0 to 1.
        labels: (N,).
        units: hidden units.
        steps: on 200 images each, in order.
    """
    x = images.flatten(1)
    centred = x - x.mean(0)
    generator = torch.Generator().manual_seed(0)
    first = (torch.rand(units, x.shape[1], generator=generator) * 0.02 - 0.01).requires_grad_()
    second = (torch.rand(10, units, generator=generator) - 0.5).requires_grad_()
    biases = [torch.zeros(n, requires_grad=True) for n in (units, 10)]
    groups = [{"params": [first], "weight_decay": 0.02}, {"params": [second, *biases], "weight_decay": 0.001}]
    optimizer = SGD(groups, lr=0.03, momentum=0.9, nesterov=True)
    loss = torch.tensor(torch.nan)
    for step in range(steps):
        batch = torch.arange(step * BATCH, (step + 1) * BATCH) % len(x)
        optimizer.zero_grad()
        z = F.relu(F.linear(centred[batch], first, biases[0]))
        loss = F.cross_entropy(F.linear(z, second, biases[1]), labels[batch])
        loss.backward()
        optimizer.step()
    return first.detach(), loss.item()


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """The share of examples whose highest score is that of their label."""
    return (scores.argmax(1) == labels).double().mean().item()

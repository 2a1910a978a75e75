"""Scores of pictures by a trained network, and how many are right."""

import torch
from torch import Tensor, nn

from experiments.training.pictures import Pictures


@torch.no_grad()
def scores(model: nn.Module, pictures: Pictures, views: str, size: int = 2000) -> Tensor:
    """Scores of every picture, in float32, as a weighted mean over the views: see :func:`views_of`.

    ``doubtful`` scores one view, and then all of them of the fifth of the pictures whose two best scores are closest:
    of the others hardly any would change its class.
    """
    if views == "doubtful":
        out = scores(model, pictures, "one", size)
        best = out.topk(2).values
        doubtful = (best[:, 0] - best[:, 1]).argsort()[: len(out) // 5]
        out[doubtful] = scores(model, pictures.part(doubtful), "flips_and_shifts", size)
        return out
    training = model.training
    model.eval()
    try:
        return torch.cat([_mean(model, views_of(images, views)) for images, _ in pictures.batches(size)])
    finally:
        model.train(training)


def views_of(images: Tensor, views: str) -> list[tuple[float, Tensor]]:
    """The picture; or it and its mirror image; or half that and half the same of two shifts by one pixel."""
    if views == "one":
        return [(1.0, images)]
    mirrored = images.flip(-1)
    if views == "flips":
        return [(0.5, images), (0.5, mirrored)]
    shifts = [_shift(i, d) for i in (images, mirrored) for d in (-1, 1)]
    return [(0.25, images), (0.25, mirrored), *[(0.125, s) for s in shifts]]


def accuracy(scores: Tensor, labels: Tensor) -> float:
    return (scores.argmax(1) == labels).double().mean().item()


def accuracy_by_class(scores: Tensor, labels: Tensor, classes: int) -> list[float]:
    right = (scores.argmax(1) == labels).double()
    return [right[labels == k].mean().item() for k in range(classes)]


def _mean(model: nn.Module, views: list[tuple[float, Tensor]]) -> Tensor:
    weighted = [weight * model(view).float() for weight, view in views]
    return torch.stack(weighted).sum(0)


def _shift(images: Tensor, by: int) -> Tensor:
    """Moved by ``by`` pixels down and to the right; the border mirrored."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), mode="reflect")
    start = 1 - by
    moved = padded[:, :, start : start + images.shape[2], start : start + images.shape[3]]
    return moved.contiguous(memory_format=torch.channels_last)

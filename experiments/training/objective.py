"""What is minimised: a data loss on the scores, and a penalty on the weights (S28)."""

import torch
from torch import Tensor, nn

from experiments.training.config import Config


def one_hot(labels: Tensor, like: Tensor) -> Tensor:
    """1 at the label, 0 elsewhere, in the shape and type of the scores ``like``."""
    return torch.zeros_like(like, requires_grad=False).scatter_(1, labels[:, None], 1.0)


def _triplet(F, scores: Tensor, labels: Tensor) -> Tensor:
    """Scores as a place in space: nearer to the corner of the right class than to that of the likeliest wrong one."""
    right = one_hot(labels, scores)
    wrong = (scores.detach() - 2 * scores.detach().abs().max() * right - right).argmax(1)
    total = F.triplet_loss(scores, right, one_hot(wrong, scores))
    return F.mul(total, 1 / len(scores))


class Objective:
    """The mean loss of a batch; ``penalty`` apart, so that both can be reported, and ``total``, which is minimised."""

    def __init__(self, ns, config: Config):
        F = self._functional = ns.functional
        self._config = config
        smoothing = config.label_smoothing
        self._loss = {
            "cross_entropy": lambda s, y: F.cross_entropy(s, y, label_smoothing=smoothing),
            "hinge": lambda s, y: F.hinge_loss(s, y),
            "mse": lambda s, y: F.mse_loss(s, one_hot(y, s)),
            "squared_error": lambda s, y: F.mul(F.squared_error(s, one_hot(y, s)), 1 / len(s)),
            "l1": lambda s, y: F.l1_loss(s, one_hot(y, s)),
            "binary_cross_entropy": lambda s, y: F.binary_cross_entropy_with_logits(s, one_hot(y, s)),
            "triplet": lambda s, y: _triplet(F, s, y),
        }[config.loss]

    def __call__(self, scores: Tensor, labels: Tensor) -> Tensor:
        return self._loss(scores, labels)

    def penalty(self, model: nn.Module) -> Tensor | None:
        """R(weights), or None. Biases and batch normalisation's numbers are no weights."""
        if self._config.penalty == "none":
            return None
        weights = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
        F = self._functional
        return {
            "l1": lambda: F.l1_penalty(*weights),
            "l2": lambda: F.l2_penalty(*weights),
            "elastic_net": lambda: F.elastic_net(*weights, beta=self._config.penalty_beta),
        }[self._config.penalty]()

    def total(self, loss: Tensor, penalty: Tensor | None) -> Tensor:
        """L + λR."""
        return loss if penalty is None else self._functional.add(loss, penalty, alpha=self._config.penalty_strength)

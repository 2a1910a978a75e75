"""Multi-class hinge loss, summed over the classes."""

from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import check_reduction, need_real
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.losses._classes import check_classes, class_axis, refuse_beyond
from manualnet.functional.losses._margin import violated
from manualnet.functional.losses._reduce import reduced, share
from manualnet.native import rows


class HingeLoss(Function):
    """L_i = Σ_{j≠y} max(0, s_j - s_y + margin), and their mean over the examples, sum or none.

    Let m_ij be 1 where the margin is violated, s_j - s_y + margin > 0 with j ≠ y, and 0 elsewhere. Each violation
    pushes its class down and the right one up:

        ∂L_i/∂s_ij = m_ij for j ≠ y,   ∂L_i/∂s_iy = -Σ_j m_ij

    times g_i, the cotangent of L_i (∂L/∂mean / N for the mean). Kink: a margin met exactly is no violation, slope 0.
    Saved: scores and target; m is one comparison away.
    """

    @staticmethod
    def violations(scores, target, margin):
        """max(0, s_j - s_y + margin) for j ≠ y, 0 for j = y; with the axis of the classes and y as index along it."""
        (s,) = widen(scores)
        axis = class_axis(s)
        y = target.unsqueeze(axis)
        return (s - s.gather(axis, y) + margin).clamp_min(0).scatter(axis, y, 0), axis, y

    @staticmethod
    def forward(scores, target, margin, reduction):
        if _in_rows(scores, target):
            losses = rows.hinge(scores, target, margin)
        else:
            violations, axis, _ = HingeLoss.violations(scores, target, margin)
            losses = violations.sum(axis)
        return reduced(losses, reduction).to(scores.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        scores, target, ctx.margin, ctx.reduction = inputs
        save(ctx, scores, target)

    @staticmethod
    def backward(ctx, grad_out):
        scores, target = ctx.saved_tensors
        (g,) = widen(grad_out)
        each = share(g, ctx.reduction, target.numel())
        if _in_rows(scores, target) and plain(grad_out):
            return rows.hinge_backward(scores, target, each, ctx.margin), None, None, None
        violations, axis, y = HingeLoss.violations(scores, target, ctx.margin)
        m = violated(violations)
        slope = m.scatter(axis, y, -m.sum(axis, keepdim=True))
        each = each.unsqueeze(axis) if ctx.reduction == "none" else each
        return (slope * each).to(scores.dtype), None, None, None

    @staticmethod
    def jvp(ctx, scores_tangent, *_):
        scores, target = ctx.saved_tensors
        violations, axis, y = HingeLoss.violations(scores, target, ctx.margin)
        (tangent,) = widen(scores_tangent)
        change = violated(violations) * (tangent - tangent.gather(axis, y))
        return reduced(change.sum(axis), ctx.reduction).to(scores.dtype)


def _in_rows(scores: Tensor, target: Tensor) -> bool:
    return rows.applies(scores) and plain(scores, target)


def hinge_loss(scores: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """L_i = Σ_{j≠y} max(0, s_j - s_y + margin): the right class must lead every other by ``margin``.

    The slope is 1 in each class that violates the margin, and minus their number in the right one; 0 where the margin
    is met exactly. Unlike ``torch.nn.functional.multi_margin_loss`` it does not divide by the number of classes.

    Args:
        scores: (N, C), or (C,) for one example.
        target: class indices 0 … C - 1 of torch.int64 or torch.uint8, (N,) or ().
        margin: the lead that is wanted.
        reduction: ``"mean"`` over the examples, ``"sum"`` or ``"none"``.

    Returns:
        A number, or for ``"none"`` a tensor of the shape of ``target``.

    Raises:
        IndexError: a target is out of range (looked at on the CPU only).
        ValueError: ``scores`` has another number of dimensions, the numbers of examples differ, or ``reduction`` is
            none of the three.
        RuntimeError: another shape or type of ``target`` does not fit.
        NotImplementedError: ``scores`` is complex or of integers.

    Source: S24, S25, S26.

    >>> import torch
    >>> scores = torch.tensor([[3.2, 5.1, -1.7]], requires_grad=True)
    >>> loss = hinge_loss(scores, torch.tensor([0]))
    >>> loss.backward()
    >>> loss, scores.grad
    (tensor(2.9000, grad_fn=<HingeLossBackward>), tensor([[-1.,  1.,  0.]]))
    """
    check_reduction(reduction)
    need_real("hinge_loss", scores=scores, target=target)
    if scores.dim() not in (1, 2):
        raise ValueError(f"scores must have shape (C,) or (N, C), but got {tuple(scores.shape)}")
    (scores,) = autocast("hinge_loss", scores)
    target = check_classes(scores, target)
    refuse_beyond(scores, target)
    return HingeLoss.apply(scores, target, float(margin), reduction)

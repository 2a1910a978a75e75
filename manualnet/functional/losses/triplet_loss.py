"""Triplet loss on squared distances."""

from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import check_reduction, need_real
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.losses._margin import violated
from manualnet.functional.losses._pairs import common_type
from manualnet.functional.losses._reduce import reduced, share
from manualnet.native import rows


class TripletLoss(Function):
    """L_i = [‖a - p‖² - ‖a - n‖² + margin]₊ over the last dimension, and their sum, mean or none.

    Where the bracket is positive, ‖a - p‖² - ‖a - n‖² has the slopes

        ∂L_i/∂a = 2 (n - p),   ∂L_i/∂p = 2 (p - a),   ∂L_i/∂n = 2 (a - n)

    (a's own square cancels), elsewhere 0, times g_i, the cotangent of L_i. Kink: a bracket of 0 has slope 0.
    Saved: the inputs.
    """

    @staticmethod
    def brackets(a, p, n, margin):
        if rows.applies(a, p, n) and plain(a, p, n):
            return rows.triplet(a, p, n, margin)
        a, p, n = widen(a, p, n)
        return ((a - p).square().sum(-1) - (a - n).square().sum(-1) + margin).clamp_min(0)

    @staticmethod
    def forward(a, p, n, margin, reduction):
        return reduced(TripletLoss.brackets(a, p, n, margin), reduction).to(common_type(a, p, n))

    @staticmethod
    def setup_context(ctx, inputs, output):
        a, p, n, ctx.margin, ctx.reduction = inputs
        save(ctx, a, p, n)

    @staticmethod
    def backward(ctx, grad_out):
        a, p, n = ctx.saved_tensors
        needs = ctx.needs_input_grad[:3]
        (each,) = widen(share(grad_out, ctx.reduction, a.shape[:-1].numel()))
        if rows.applies(a, p, n) and plain(grad_out, a, p, n):
            return *rows.triplet_backward(a, p, n, each, ctx.margin, needs), None, None
        each = 2 * each * violated(TripletLoss.brackets(a, p, n, ctx.margin))
        grad_a = _rows_times(each, n, p).to(a.dtype) if needs[0] else None
        grad_p = _rows_times(each, p, a).to(p.dtype) if needs[1] else None
        grad_n = _rows_times(each, a, n).to(n.dtype) if needs[2] else None
        return grad_a, grad_p, grad_n, None, None

    @staticmethod
    def jvp(ctx, a_tangent, p_tangent, n_tangent, *_):
        a, p, n = ctx.saved_tensors
        active = violated(TripletLoss.brackets(a, p, n, ctx.margin))
        dtype = common_type(a, p, n)
        a, p, n, da, dp, dn = widen(a, p, n, a_tangent, p_tangent, n_tangent)
        change = 2 * ((n - p) * da + (p - a) * dp + (a - n) * dn).sum(-1)
        return reduced(active * change, ctx.reduction).to(dtype)


def _rows_times(each: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """u - v, every row times its number."""
    u, v = widen(u, v)
    return each.unsqueeze(-1) * (u - v)


def triplet_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, reduction: str = "sum"
) -> Tensor:
    """L = Σ [‖a - p‖² - ‖a - n‖² + margin]₊: the positive must be nearer than the negative by ``margin``.

    Where the bracket is positive the slopes are 2 (n - p), 2 (p - a) and 2 (a - n); elsewhere, and at 0, they are 0.
    Distances are squared and triplets summed, unlike ``torch.nn.functional.triplet_margin_loss``.

    Args:
        anchor, positive, negative: (N, D), or (D,) for one triplet; further dimensions may stand before.
        margin: the lead that is wanted, in squared distance.
        reduction: ``"sum"``, ``"mean"`` over the triplets or ``"none"``.

    Returns:
        A number, or for ``"none"`` one number per triplet, (N,) or ().

    Raises:
        ValueError: the shapes differ, have no dimension, or ``reduction`` is none of the three.
        NotImplementedError: an argument is complex or of integers.

    Source: S35.

    >>> import torch
    >>> a = torch.tensor([1.0, 0.0], requires_grad=True)
    >>> loss = triplet_loss(a, torch.tensor([0.8, 0.6]), torch.tensor([0.6, 0.8]), margin=0.5)
    >>> loss.backward()
    >>> loss, a.grad
    (tensor(0.1000, grad_fn=<TripletLossBackward>), tensor([-0.4000,  0.4000]))
    """
    check_reduction(reduction)
    need_real("triplet_loss", anchor=anchor, positive=positive, negative=negative)
    shapes = [tuple(t.shape) for t in (anchor, positive, negative)]
    if anchor.dim() == 0 or len(set(shapes)) > 1:
        raise ValueError(f"anchor, positive and negative must have one shape, (D,) or (N, D), but got {shapes}")
    if not all(t.is_floating_point() for t in (anchor, positive, negative)):
        raise NotImplementedError(f"triplet_loss needs floating point, but got {anchor.dtype}, {positive.dtype}, ...")
    anchor, positive, negative = autocast("triplet_loss", anchor, positive, negative)
    return TripletLoss.apply(anchor, positive, negative, float(margin), reduction)

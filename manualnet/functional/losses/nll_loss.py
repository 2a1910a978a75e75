"""Negative log-likelihood: -log p of the right class, from log-probabilities."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, cast, widen
from manualnet.functional._errors import need_real
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.losses._arguments import refuse_gradient
from manualnet.functional.losses._classes import check_classes, class_axis, counted, likelihood_loss, refuse_beyond
from manualnet.functional.losses._reduce import resolve, share
from manualnet.native import cross_entropy as native


class NllLoss(Function):
    """L_i = -w_{y_i} x_{i, y_i}, and their mean Σ L_i / Σ w_{y_i}, sum or none.

    Only one element of each example is looked up, so with g_i the cotangent of L_i (∂L/∂mean / Σ w for the mean)

        ∂L/∂x_ij = -w_{y_i} g_i [j = y_i],   0 where y_i is ignored

    the adjoint of gather: scatter. Saved: target and weight alone, because L is linear in x.
    """

    @staticmethod
    def forward(x, target, weight, ignore_index, reduction):
        compiled = native.worth(x, target) and plain(x, target, weight)
        loss = native.nll_loss(x, target, weight, ignore_index, reduction) if compiled else None
        if loss is None:
            wide, wide_weight = widen(x, weight)
            loss = torch.nn.functional.nll_loss(wide, target, wide_weight, None, ignore_index, None, reduction)
        return cast(loss, x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, target, weight, ctx.ignore_index, ctx.reduction = inputs
        ctx.shape, ctx.axis = x.shape, class_axis(x)
        save(ctx, target, weight)

    @staticmethod
    def backward(ctx, grad_out):
        target, weight = ctx.saved_tensors
        if plain(grad_out, target, weight):
            grad_x = native.nll_backward(grad_out, ctx.shape, target, weight, ctx.ignore_index, ctx.reduction)
            if grad_x is not None:
                return grad_x, None, None, None, None
        (g,) = widen(grad_out)
        index, kept, counts = counted(target, weight, ctx.ignore_index, g.dtype)
        # Where every example is ignored the mean divides by 0: choosing keeps that out of the gradient.
        each = torch.where(kept, share(g, ctx.reduction, counts.sum()) * counts, 0)
        zeros = torch.zeros(ctx.shape, dtype=g.dtype, device=g.device)
        grad_x = zeros.scatter(ctx.axis, index.unsqueeze(ctx.axis), -each.unsqueeze(ctx.axis))
        return grad_x.to(grad_out.dtype), None, None, None, None

    @staticmethod
    def jvp(ctx, x_tangent, *_):
        target, weight = ctx.saved_tensors
        (wide,) = widen(x_tangent)
        return likelihood_loss(wide, target, weight, ctx.ignore_index, ctx.reduction).to(x_tangent.dtype)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the right class: L_i = -w_y x_{i,y}, with ∂L_i/∂x_ij = -w_y [j = y].

    Args:
        input: log-probabilities, (C,), (N, C) or (N, C, d1, …).
        target: class indices 0 … C - 1, of torch.int64: (), (N,) or (N, d1, …), the first two also of torch.uint8.
        weight: (C,), one weight per class; a constant.
        size_average, reduce: PyTorch's older form of ``reduction``.
        ignore_index: a target that is left out of loss and mean.
        reduction: ``"mean"`` (divided by the sum of the weights of the targets), ``"sum"`` or ``"none"``.

    Returns:
        A number, or for ``"none"`` a tensor of the shape of ``target``.

    Raises:
        IndexError: a target is out of range (looked at on the CPU only).
        ValueError: ``input`` is a single number, the numbers of examples differ, or ``reduction`` is none of the three.
        RuntimeError: another shape or type does not fit, or ``weight`` requires a gradient.
        NotImplementedError: ``input`` is complex or of integers.

    Source: S34. Signature and behaviour: ``torch.nn.functional.nll_loss``.

    >>> import torch
    >>> log_p = torch.tensor([[0.2, 0.8], [0.5, 0.5]]).log().requires_grad_()
    >>> loss = nll_loss(log_p, torch.tensor([1, 0]))
    >>> loss.backward()
    >>> loss, log_p.grad
    (tensor(0.4581, grad_fn=<NllLossBackward>), tensor([[ 0.0000, -0.5000], [-0.5000,  0.0000]]))
    """
    reduction = resolve(reduction, size_average, reduce)
    need_real("nll_loss", input=input, target=target)
    refuse_gradient("nll_loss", weight=weight)
    input, weight = autocast("nll_loss", input, weight)
    target = check_classes(input, target, weight)
    try:
        return NllLoss.apply(input, target, weight, ignore_index, reduction)
    except IndexError:
        refuse_beyond(input, target, ignore_index)
        raise

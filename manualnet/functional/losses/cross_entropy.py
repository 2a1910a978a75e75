"""Cross-entropy on scores: the softmax and the negative log-likelihood in one."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import autocast, widen
from manualnet.functional._errors import need_real
from manualnet.functional._function import Function, save
from manualnet.functional._plain import plain
from manualnet.functional.losses._arguments import refuse_gradient
from manualnet.functional.losses._classes import (
    along_classes,
    check_classes,
    class_axis,
    counted,
    likelihood_loss,
    log_softmax_tangent,
    refuse_beyond,
)
from manualnet.functional.losses._probabilities import CrossEntropyOfProbabilities
from manualnet.functional.losses._reduce import resolve, share
from manualnet.native import cross_entropy as native


class CrossEntropy(Function):
    """L_i = -Σ_c q_ic log p_ic, p_i = softmax(x_i), for a class index y_i as target.

    q puts 1 - ε on the right class and spreads ε over all, times the weights: q_ic = w_c ((1 - ε)[c = y_i] + ε/C).
    With ∂log p_c/∂x_j = [c = j] - p_j

        ∂L_i/∂x_ij = p_ij Σ_c q_ic - q_ij        (p - onehot(y) for ε = 0, w = 1)

    times g_i, the cotangent of L_i: ∂L/∂mean / Σ w_{y_i} for the mean, 0 where y_i is ignored.
    Saved: inputs alone. p is one softmax away from the scores, so that neither p nor log p is kept.
    """

    @staticmethod
    def forward(x, target, weight, ignore_index, reduction, smoothing):
        compiled = plain(x, target, weight)
        loss = native.cross_entropy(x, target, weight, ignore_index, reduction, smoothing) if compiled else None
        if loss is None:
            wide, wide_weight = widen(x, weight)
            loss = torch.nn.functional.cross_entropy(
                wide, target, wide_weight, None, ignore_index, None, reduction, smoothing
            )
        return loss.to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, target, weight, *ctx.settings = inputs
        save(ctx, x, target, weight)

    @staticmethod
    def backward(ctx, grad_out):
        x, target, weight = ctx.saved_tensors
        ignore_index, reduction, smoothing = ctx.settings
        if plain(grad_out, x, target, weight):
            grad_x = native.cross_entropy_backward(grad_out, x, target, weight, *ctx.settings)
            if grad_x is not None:
                return grad_x, None, None, None, None, None
        wide, g = widen(x, grad_out)
        axis = class_axis(x)
        index, kept, counts = counted(target, weight, ignore_index, wide.dtype)
        # Where every example is ignored the mean divides by 0: choosing keeps that out of the gradient.
        each = torch.where(kept, share(g, reduction, counts.sum()), 0)
        p, index = torch.softmax(wide, axis), index.unsqueeze(axis)
        on_target = ((1 - smoothing) * counts * each).unsqueeze(axis)
        if not smoothing:
            grad_x = (p * on_target).scatter_add(axis, index, -on_target)
        else:
            # q as one tensor: from a p near 1 the same q is then taken that p was multiplied by.
            q = (smoothing / x.shape[axis] * each).unsqueeze(axis).expand(x.shape)
            q = q if weight is None else q * along_classes(weight, x)
            q = q.scatter_add(axis, index, on_target)
            grad_x = p * q.sum(axis, keepdim=True) - q
        return grad_x.to(x.dtype), None, None, None, None, None

    @staticmethod
    def jvp(ctx, x_tangent, *_):
        x, target, weight = ctx.saved_tensors
        wide, tangent = widen(x, x_tangent)
        # The loss is linear in log p, so its own formula carries the tangent on.
        return likelihood_loss(log_softmax_tangent(wide, tangent), target, weight, *ctx.settings).to(x.dtype)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Softmax, then minus the log-probability of the right class: L_i = -log p_{i,y}, with ∂L_i/∂x_i = p_i - onehot(y).

    Args:
        input: scores, (C,), (N, C) or (N, C, d1, …). No softmax before: it is in the loss.
        target: class indices 0 … C - 1 of torch.int64, (), (N,) or (N, d1, …), the first two also of
            torch.uint8; or probabilities, floating, of the shape of ``input``, which may require a gradient.
        weight: (C,), one weight per class; with class indices a constant.
        size_average, reduce: PyTorch's older form of ``reduction``.
        ignore_index: a class index that is left out of loss and mean.
        reduction: ``"mean"`` (for class indices divided by the sum of the weights of the targets, for probabilities
            by the number of examples), ``"sum"`` or ``"none"``.
        label_smoothing: the share ε of the target that is spread evenly over all classes, 0 … 1.

    Returns:
        A number, or for ``"none"`` a tensor of the shape of ``input`` without its classes.

    Raises:
        IndexError: a target is out of range (looked at on the CPU only).
        ValueError: the numbers of examples differ, or ``reduction`` is none of the three.
        RuntimeError or IndexError: ``input`` is a single number.
        RuntimeError: another shape, type or ``label_smoothing`` does not fit, ``ignore_index`` >= 0 with
            probabilities, or ``weight`` requires a gradient with class indices.
        NotImplementedError: ``input`` is complex or of integers.

    Source: S33, S34. Signature and behaviour: ``torch.nn.functional.cross_entropy``.

    >>> import torch
    >>> scores = torch.tensor([[3.2, 5.1, -1.7]], requires_grad=True)
    >>> loss = cross_entropy(scores, torch.tensor([0]))
    >>> loss.backward()
    >>> loss, scores.grad
    (tensor(2.0404, grad_fn=<CrossEntropyBackward>), tensor([[-0.8700,  0.8690,  0.0010]]))
    """
    reduction = resolve(reduction, size_average, reduce)
    need_real("cross_entropy", input=input, target=target)
    of_probabilities = input.shape == target.shape
    if of_probabilities and not target.is_floating_point():
        raise RuntimeError(
            f"a target of the shape of input holds probabilities, of floating point, but got {target.dtype}; "
            "class indices have no dimension of classes"
        )
    if of_probabilities and ignore_index >= 0:
        raise RuntimeError(f"ignore_index needs class indices, but target holds probabilities; got {ignore_index}")
    if input.dim() == 0:
        raise IndexError("input must have a dimension of classes: (C,) or (N, C, ...), but got a single number")
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0, but got {label_smoothing}")
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be of floating point, but got {input.dtype}")
    smoothing = max(float(label_smoothing), 0.0)
    input, target, weight = autocast("cross_entropy", input, target, weight)
    if not of_probabilities:
        refuse_gradient("cross_entropy with class indices", weight=weight)
        target = check_classes(input, target, weight)
        try:
            return CrossEntropy.apply(input, target, weight, ignore_index, reduction, smoothing)
        except IndexError:
            refuse_beyond(input, target, ignore_index)
            raise
    classes = input.shape[class_axis(input)]
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(f"weight must have one number per class, ({classes},), but got {tuple(weight.shape)}")
    return CrossEntropyOfProbabilities.apply(input, target, weight, reduction, smoothing)

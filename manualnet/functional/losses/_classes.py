"""What the losses with a class index as target share."""

import torch
from torch import Tensor

from manualnet.functional._dtypes import cast
from manualnet.functional._plain import readable
from manualnet.functional.losses._reduce import reduced


def class_axis(x: Tensor) -> int:
    return 0 if x.dim() == 1 else 1


def along_classes(weight: Tensor, x: Tensor) -> Tensor:
    """``weight`` (C,) in a shape that broadcasts over ``x`` (N, C, …)."""
    return weight.reshape(-1, *[1] * (x.dim() - 2))


def check_classes(input: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Refuse what PyTorch refuses, with its exception types; give ``target`` as int64 of shape (N, …) or ().

    The values of ``target`` are another matter: see :func:`refuse_beyond`.
    """
    axes = input.dim()
    if axes == 0:
        raise ValueError("input must have a dimension of classes: (C,) or (N, C, ...), but got a single number")
    if axes == 1 and target.shape == (1,):
        target = target.reshape(())
    if (axes > 1 and target.shape[:1] != input.shape[:1]) or axes == target.dim() == 1:
        raise ValueError(f"input {tuple(input.shape)} needs one target per example, but got {tuple(target.shape)}")
    expected = (*input.shape[:1], *input.shape[2:]) if axes > 1 else ()
    if target.shape != expected:
        raise RuntimeError(f"target must have shape {tuple(expected)}, but got {tuple(target.shape)}")
    if target.dtype != torch.int64 and (target.dtype != torch.uint8 or axes > 2):
        raise RuntimeError(
            "class indices must be of torch.int64, or of torch.uint8 where input has at most two dimensions, "
            f"but got {target.dtype}"
        )
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be of floating point, but got {input.dtype}")
    target = cast(target, torch.int64)
    if weight is not None:
        classes = input.shape[class_axis(input)]
        if weight.shape != (classes,):
            raise RuntimeError(f"weight must have one number per class, ({classes},), but got {tuple(weight.shape)}")
        if weight.dtype != input.dtype:
            raise RuntimeError(f"weight must have the type of input, {input.dtype}, but got {weight.dtype}")
    return target


def refuse_beyond(input: Tensor, target: Tensor, ignore_index: int | None = None) -> None:
    """Refuse a class that there is not, where that can be seen; kernels that look themselves say less about it."""
    if not readable(target) or not target.numel():
        return
    classes = input.shape[class_axis(input)]
    low, high = torch.aminmax(target)
    if low.item() >= 0 and high.item() < classes:
        return
    wrong = (target < 0) | (target >= classes)
    allowed = f"0 to {classes - 1}"
    if ignore_index is not None:
        wrong = wrong & (target != ignore_index)
        allowed += f" (or {ignore_index} to ignore it)"
    raise IndexError(f"target {target[wrong][0].item()} is out of bounds: the classes are {allowed}") from None


def counted(target: Tensor, weight: Tensor | None, ignore_index: int, dtype: torch.dtype):
    """For each example an index that can be looked up, whether it is kept, and how much it counts (0 if ignored)."""
    kept = target != ignore_index
    index = torch.where(kept, target, 0)
    counts = kept.to(dtype) if weight is None else torch.where(kept, weight.to(dtype)[index], 0)
    return index, kept, counts


def likelihood_loss(
    log_p: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, smoothing: float = 0.0
) -> Tensor:
    """-Σ_c q_c log p_c with q = w ∘ ((1 - ε) [c = y] + ε / C), the mean weighted by w_y. Linear in ``log_p``."""
    axis = class_axis(log_p)
    index, kept, counts = counted(target, weight, ignore_index, log_p.dtype)
    total = counts.sum()

    def part(loss: Tensor) -> Tensor:
        # Chosen, not multiplied by 0: an ignored example may hold infinities.
        return reduced(torch.where(kept, -loss, 0), reduction, total)

    of_target = part(counts * log_p.gather(axis, index.unsqueeze(axis)).squeeze(axis))
    if not smoothing:
        return of_target
    weighted = log_p if weight is None else log_p * along_classes(weight, log_p)
    # Divided one by one, so that a mean whose weights are all 0 is NaN as in PyTorch.
    return (1 - smoothing) * of_target + smoothing / log_p.shape[axis] * part(weighted.sum(axis))


def log_softmax_tangent(x: Tensor, tangent: Tensor) -> Tensor:
    """log p = x - log Σ e^x, and the derivative of the logarithm is p: d log p = dx - Σ p dx."""
    axis = class_axis(x)
    return tangent - (torch.softmax(x, axis) * tangent).sum(axis, keepdim=True)

"""What pooling and convolution share: windows, their elements, and where they lie."""

from collections.abc import Sequence

import torch
import torch.nn.functional as torch_F
from torch import Tensor

from manualnet.functional._dtypes import uncast, widen
from manualnet.functional._plain import plain
from manualnet.native import windows as native

Size2 = int | tuple[int, int]


def pair(value: int | Sequence[int] | None) -> tuple[int, ...]:
    """One number stands for both axes; None and an empty tuple for nothing."""
    if type(value) is int:
        return value, value
    numbers = () if value is None else (value,) if isinstance(value, (int, torch.SymInt)) else tuple(value)
    return numbers * 2 if len(numbers) == 1 else numbers


def gather(x: Tensor, position: Tensor) -> Tensor:
    """The elements of x (…, H, W) at the positions (…, H', W') in its flattened plane."""
    return _flat(x).gather(-1, _flat(position)).reshape(position.shape)


def scatter(
    grad_out: Tensor, position: Tensor, size: tuple[int, int], *, once: bool = False, innermost: bool = False
) -> Tensor:
    """The adjoint of :func:`gather`: every cotangent added at the position that its element came from.

    ``once``: no element came from where another did. ``innermost``: the result's channels lie innermost, as the
    positions' do.
    """
    fast = plain(grad_out, position)
    # What nothing is added to is not rounded.
    (wide,) = (grad_out,) if once else widen(grad_out)
    *batch, h, w = position.shape
    if innermost:
        n, c = batch
        at, flat = (t.permute(0, 2, 3, 1).reshape(n, h * w, c) for t in (position, wide))
        axis, plane = 1, wide.new_zeros(n, size[0] * size[1], c)
    else:
        at, flat, axis, plane = _flat(position), _flat(wide), -1, wide.new_zeros(*batch, size[0] * size[1])
    if once and fast:
        # PyTorch moves whole numbers several times as fast.
        kind = _WHOLE[plane.itemsize]
        plane.view(kind).scatter_(axis, at, flat.view(kind))
    else:
        plane = plane.scatter_add(axis, at, flat).to(grad_out.dtype)
    return plane.view(n, *size, c).permute(0, 3, 1, 2) if innermost else plane.reshape(*batch, *size)


# As large as each number of floating point, by its bytes.
_WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def positions(place: Tensor, windows: native.Windows, width: int) -> Tensor:
    """Positions in a plane so wide, of places (…, H', W') within their windows, counted row by row."""
    kernel, stride, padding, out = windows

    def grid(rows: Tensor, columns: Tensor) -> Tensor:
        return rows[:, None] * width + columns

    def count(n: int) -> Tensor:
        return torch.arange(n, device=place.device)

    corner = grid(*(count(n) * step - border for n, step, border in zip(out, stride, padding, strict=True)))
    # An element is looked up sooner than its row and column are divided out.
    within = grid(*map(count, kernel)).flatten().index_select(0, place.flatten())
    return within.reshape(place.shape) + corner


def _flat(x: Tensor) -> Tensor:
    *batch, h, w = x.shape
    return x.reshape(*batch, h * w)


def lies_in_planes(x: Tensor) -> bool:
    """Whether pictures lie plane by plane; nobody knows it of what is wrapped."""
    return plain(x) and x.is_contiguous()


def spread(grad_out: Tensor, kernel: tuple[int, ...], divisor: float, *, planes: bool) -> Tensor:
    """Every element (…, H', W') divided, and copied to all of its window: the stamp of windows side by side.

    Of one pixel a picture lies both ways: ``planes`` tells how the result should.
    """
    kh, kw = kernel
    fast = plain(grad_out)
    compiled = native.spread(grad_out, (kh, kw), divisor, planes=planes) if fast else None
    if compiled is not None:
        return compiled
    grad_out = grad_out / divisor
    *batch, h, w = grad_out.shape
    # Laid out as it came; what is wrapped cannot be asked how it lies.
    if fast and not planes and grad_out.is_contiguous(memory_format=torch.channels_last):
        n, c = batch
        rows = grad_out.permute(0, 2, 3, 1)[:, :, None, :, None].expand(n, h, kh, w, kw, c)
        return rows.reshape(n, h * kh, w * kw, c).permute(0, 3, 1, 2)
    return grad_out[..., :, None, :, None].expand(*batch, h, kh, w, kw).reshape(*batch, h * kh, w * kw)


def stamp(
    grad_out: Tensor, size: tuple[int, int], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]
) -> Tensor:
    """The adjoint of summing windows: every cotangent (…, H', W') added to all of its window in the plane (…, H, W)."""
    *batch, h, w = grad_out.shape
    planes = grad_out.reshape(torch.Size(batch).numel(), 1, h, w)
    with uncast(grad_out):
        padded = torch_F.conv_transpose2d(planes, grad_out.new_ones(1, 1, *kernel), stride=stride)
    # The padding is cut off; rows that no window reached are zeros to be added.
    (top, left), (height, width) = padding, size
    below, right = height + top - padded.shape[2], width + left - padded.shape[3]
    return torch_F.pad(padded, (-left, right, -top, below)).reshape(*batch, *size)

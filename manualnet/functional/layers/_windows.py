"""What the pooling layers share: elements of windows, and where they lie."""

from torch import Tensor

from manualnet.functional._dtypes import widen

Size2 = int | tuple[int, int]


def gather(x: Tensor, position: Tensor) -> Tensor:
    """The elements of x (…, H, W) at the positions (…, H', W') in its flattened plane."""
    return _flat(x).gather(-1, _flat(position)).reshape(position.shape)


def scatter(grad_out: Tensor, position: Tensor, size: tuple[int, int]) -> Tensor:
    """The adjoint of :func:`gather`: every cotangent added at the position that its element came from."""
    (wide,) = widen(grad_out)
    shape = (*position.shape[:-2], *size)
    plane = wide.new_zeros(*shape[:-2], size[0] * size[1])
    return plane.scatter_add(-1, _flat(position), _flat(wide)).reshape(shape).to(grad_out.dtype)


def _flat(x: Tensor) -> Tensor:
    *batch, h, w = x.shape
    return x.reshape(*batch, h * w)

"""Matrix products, batched and of vectors."""

from torch import Tensor

from manualnet.functional import _multiply as multiply
from manualnet.functional._dtypes import autocast
from manualnet.functional._errors import need_real
from manualnet.functional._function import Function, save_factors
from manualnet.functional._shapes import as_rows, sum_to
from manualnet.functional.arithmetic._products import few_columns, sum_of_products, times_batch, with_columns_as_rows


class Matmul(Function):
    """Z = X Y with X (…, m, k), Y (…, k, n) and Z (…, m, n), the batch axes broadcast.

    z_ij = Σ_k x_ik y_kj, so x_ik acts on row i of Z with the slopes y_kj, and y_kj on column j with the slopes x_ik.
    With G = ∂L/∂Z,

        ∂L/∂X = G Yᵀ        ∂L/∂Y = Xᵀ G

    summed over the batch axes that were stretched. Saved: X where Y's gradient is wanted, and Y where X's is. There is
    no kink.
    """

    @staticmethod
    def forward(x, y):
        return _product(x, y)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y = inputs
        ctx.shapes = x.shape, y.shape
        save_factors(ctx, x, y)

    @staticmethod
    def backward(ctx, grad_out):
        x, y = ctx.saved_tensors
        x_shape, y_shape = ctx.shapes
        grad_x = _left(grad_out, y, x_shape) if ctx.needs_input_grad[0] else None
        grad_y = _right(x, grad_out, y_shape) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y

    @staticmethod
    def jvp(ctx, x_dot, y_dot):
        x, y = ctx.saved_tensors
        return _product(x_dot, y) + _product(x, y_dot)


def _meets_a_batch(x: Tensor, y: Tensor) -> bool:
    return x.dim() == 2 < y.dim() and x.shape[1] == y.shape[-2]


def _product(x: Tensor, y: Tensor) -> Tensor:
    """X Y."""
    return times_batch(x, y) if _meets_a_batch(x, y) else multiply.matmul(x, y)


def _left(g: Tensor, y: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Σ G Yᵀ; where one X met a whole batch, the sum over the batch is a part of the product."""
    if len(shape) == 2 < y.dim():
        return sum_of_products(g, y)
    return sum_to(multiply.matmul(g, y.mT), shape)


def _right(x: Tensor, g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Σ Xᵀ G, likewise."""
    if len(shape) == 2:
        return multiply.matmul(as_rows(x).mT, as_rows(g))
    return sum_to(_product(x.mT, g), shape)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product input · other; with the cotangent G the gradients are G · otherᵀ and inputᵀ · G.

    Args:
        input: (k), (m, k) or (…, m, k).
        other: (k), (k, n) or (…, k, n); batch axes broadcast.

    Returns:
        (…, m, n), without m or n where an operand is a vector.

    Raises:
        RuntimeError: sizes or types do not fit, or an operand has no axis.
        TypeError: an operand is no tensor.
        NotImplementedError: an operand is complex.

    Source: S1, S41. Signature and behaviour: ``torch.matmul``, without ``out``.

    >>> import torch
    >>> w, x = torch.tensor([[1.0, 2.0]], requires_grad=True), torch.tensor([3.0, 4.0])
    >>> matmul(w, x).backward()
    >>> w.grad
    tensor([[3., 4.]])
    """
    need_real("matmul", input=input, other=other)
    input, other = autocast("matmul", input, other)
    # A vector is a matrix of one row on the left, of one column on the right, whose axis the product leaves out.
    row, column = input.dim() == 1, other.dim() == 1
    x, y = input.unsqueeze(0) if row else input, other.unsqueeze(1) if column else other
    few = _meets_a_batch(x, y) and few_columns(x, y)
    # Before the rule, so that what is copied is saved, and its cotangent is copied once.
    z = with_columns_as_rows(Matmul.apply, x, y) if few else Matmul.apply(x, y)
    z = z.squeeze(-2) if row else z
    return z.squeeze(-1) if column else z

"""What the torch operations in an expression become: a function of manualnet's, a move of values, or an error.

An operator (``x @ y``), a method (``x.sum()``) and a function (``torch.sigmoid(x)``) all arrive as torch functions with
a name. manualnet's function of that name takes the call, so that ordinary expressions have hand-written gradients.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import resolve_name

from manualnet import functional as F

# They pick, place, copy or cast values and compute nothing; their gradient is moved back by PyTorch.
MOVES = frozenset(
    """
    H T __getitem__ adjoint atleast_1d atleast_2d atleast_3d bfloat16 broadcast_tensors broadcast_to cat chunk clone
    concat concatenate contiguous cpu cuda data detach diag diagonal double expand expand_as flatten flip float gather
    half hstack index_select mH mT masked_select moveaxis movedim narrow permute ravel repeat repeat_interleave reshape
    reshape_as roll select split squeeze stack swapaxes swapdims t take tensor_split tile to transpose tril triu type
    type_as unbind unflatten unfold unsqueeze view view_as vstack
    """.split()
)

# Each element of the result depends on the one element of the input in its place: the Jacobian is diagonal.
ELEMENTWISE = frozenset(
    """
    add binary_cross_entropy binary_cross_entropy_with_logits bfloat16 clone double dropout elu float gelu half l1_loss
    leaky_relu mse_loss mul prelu relu sigmoid step stochastic_depth sub tanh to type
    """.split()
)

# A number or a copy that leaves the graph behind would lose its gradient in silence.
LEAVING = {
    "item": "work with the tensor itself, or detach() it first",
    "tolist": "work with the tensor itself, or detach() it first",
    "numpy": "work with the tensor itself, or detach() it first",
    "__array__": "work with the tensor itself, or detach() it first",
    "__float__": "work with the tensor itself, or detach() it first",
    "__int__": "work with the tensor itself, or detach() it first",
    "__index__": "work with the tensor itself, or detach() it first",
    "tensor": "put tensors together with torch.stack or torch.cat",
    "as_tensor": "put tensors together with torch.stack or torch.cat",
    "asarray": "put tensors together with torch.stack or torch.cat",
    "backward": "leave it out: the graph goes backward by itself",
}

_OTHERWISE = {
    "abs": "F.l1_loss or F.l1_penalty",
    "amax": "F.maxout, F.relu or F.max_pool2d",
    "clamp": "F.relu",
    "div": "F.mul with the reciprocal, if the divisor needs no gradient",
    "exp": "F.sigmoid, F.tanh or F.softmax",
    "log": "F.log_softmax or a cross-entropy",
    "logsumexp": "F.log_softmax or F.cross_entropy",
    "max": "F.maxout, F.relu or F.max_pool2d",
    "maximum": "F.maxout or F.relu",
    "norm": "F.l1_penalty or F.l2_penalty",
    "outer": "F.mul(x.unsqueeze(1), y)",
    "pow": "F.mul, once for each power",
    "where": "F.mul with a mask",
}

_SAME = {"subtract": "sub", "multiply": "mul"} | dict.fromkeys(("mm", "mv", "dot", "bmm", "inner"), "matmul")

Call = Callable[[], Any]


def name_of(function: Callable) -> str:
    """The name that a torch function is known by; that of ``x.T`` is T."""
    name = getattr(function, "__name__", "")
    return function.__self__.__name__ if name == "__get__" else name  # type: ignore[attr-defined]


def in_place(name: str, kwargs: dict) -> bool:
    """Whether a torch function overwrites a tensor."""
    plain = name.endswith("_") and not name.endswith("__")
    augmented = name.startswith("__i") and name not in ("__index__", "__int__", "__invert__")
    return plain or augmented or name == "__setitem__" or kwargs.get("out") is not None


def makes_new(name: str) -> bool:
    """Whether only the shape of the input matters, so that the result is a fresh constant."""
    return name.endswith("_like") or name.startswith("new_")


def translation(name: str, args: tuple, kwargs: dict) -> Call | None:
    """The call of manualnet.functional that does the same, or None where there is none."""
    if "axis" in kwargs:
        kwargs = {("dim" if key == "axis" else key): value for key, value in kwargs.items()}
    name = _SAME.get(name.removeprefix("__").removesuffix("__"), name)
    if name in ("softmax", "log_softmax") and len(args) > 2:  # torch.softmax(x, dim, dtype)
        args, kwargs = args[:2], {**kwargs, "dtype": args[2]}
    if name in F.__all__:
        return lambda: getattr(F, name)(*args, **kwargs)
    match name.removeprefix("__").removesuffix("__"), args:
        case "rsub", (x, y):
            return lambda: F.sub(y, x)
        case "rmatmul", (x, y):
            return lambda: F.matmul(y, x)
        case "neg" | "negative", (x,):
            return lambda: F.mul(x, -1)
        case "square", (x,):
            return lambda: F.mul(x, x)
        case "pow", (x, int() | float() as n) if n == 2:
            return lambda: F.mul(x, x)
        case "div" | "divide" | "true_divide" | "truediv", (x, y) if not (kwargs or _needs_gradient(y)):
            return lambda: F.mul(x, 1 / y)
        case "max_pool2d_with_indices", _:
            return lambda: F.max_pool2d(*args, **kwargs)
    return None


def _needs_gradient(x: object) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def missing(function: Callable) -> NotImplementedError:
    """The error for an operation whose gradient nobody wrote."""
    name = name_of(function)
    short = name.removeprefix("__r").removeprefix("__").removesuffix("__")
    instead = _OTHERWISE.get({"truediv": "div", "reciprocal": "div", "sqrt": "pow"}.get(short, short))
    hint = f"use {instead}, or a Function of your own" if instead else "write it as a Function of your own"
    full = resolve_name(function) or name
    return NotImplementedError(f"{full} has no hand-written gradient in manualnet.functional: {hint}")

"""What to do about an exception that PyTorch raises when a Function does not compose."""

import re

SETUP_CONTEXT = (
    "Split forward(ctx, ...) in two: forward(...) computes, and setup_context(ctx, inputs, output) saves inputs and "
    "outputs with ctx.save_for_backward and keeps the rest on ctx."
)
VMAP_RULE = (
    "Set generate_vmap_rule = True on the class (and define no vmap), with a forward without ctx, a setup_context and, "
    "for forward mode, a jvp."
)
JVP = (
    "Write a static jvp(ctx, *tangents), one tangent an input and one result an output, and save what it needs with "
    "ctx.save_for_forward: the same tensors, in the same order, as with save_for_backward."
)
COMPOSE = (
    "Write forward without ctx and a setup_context, set generate_vmap_rule = True, save only inputs and outputs, and "
    "make backward (and, for forward mode, jvp) of differentiable operations of what was saved."
)
DATA = (
    "Keep forward and backward free of .item(), of branches on data and of boolean-mask indexing: use torch.where, so "
    "that batched and traced tensors pass."
)
IN_PLACE = "Change no tensor in place that was not made in the same pass: write y = y * g, not y *= g."
SAVED = "Do not change a saved tensor, an input or an output in place: compute a new tensor."
LEAF = "It writes to its input, which a leaf does not bear: check it on a copy, as in lambda x: F.apply(x.clone())."
STRIDE = "Cotangents come with any stride: use .reshape in the place of .view, and assume no memory layout."
DTYPE = (
    "Under autocast and with mixed inputs the cotangent may have another dtype than what was saved: cast in forward "
    "and in backward, and give each gradient the dtype of its input."
)
DEVICE = "Make new tensors where the data are: torch.zeros_like(x), or device=grad_out.device."
ONCE = "Write backward from differentiable operations and drop once_differentiable, if second derivatives are wanted."
GIVEN = "Return None from backward for each argument that is no tensor, a gradient for each that is."
VIEW = (
    "Return from jvp what forward returns: where that is a view of its input, as x.view_as(x) is, the tangent must be "
    "one of the tangent, t.view_as(t)."
)
COUNT = "Return from backward one gradient for each argument of forward, None for those that have none."
ALLOW = (
    "Give the class to torch.compiler.allow_in_graph, right after its definition or in __init_subclass__ of its base, "
    "so that the compiler calls it as it is."
)

_CURES = {
    r"override the setup_context": SETUP_CONTEXT,
    r"does not have vmap support|generate_vmap_rule": VMAP_RULE,
    r"implement the jvp function|does not support it because it has not been implemented": JVP,
    r"\.item\(\)|data.dependent|Boolean value of Tensor|dynamic shape|nonzero|GuardOnDataDependent": DATA,
    r"inplace arithmetic|vmap: .*in-?place": IN_PLACE,
    r"modified by an inplace operation|is being used in an in-place operation": SAVED,
    r"view size is not compatible|Use \.reshape": STRIDE,
    r"to have the same dtype|same dtype, but got|expected scalar type|must have the same dtype": DTYPE,
    r"same device|two devices|Unhandled FakeTensor Device|is not on the expected device": DEVICE,
    r"once_differentiable": ONCE,
    r"incorrect number of gradients": COUNT,
    r"gradient different than None at position": GIVEN,
    r"returning a view": VIEW,
    r"autograd\.Function.*(not supported|unsupported)|allow_in_graph": ALLOW,
}


def advice(error: Exception) -> str:
    """How to mend what raised this error; empty if the message is none that is known."""
    return next((cure for sign, cure in _CURES.items() if re.search(sign, str(error))), "")

"""The faults: for a node of the syntax tree, what a slip of the pen would make of it."""

import ast
from collections.abc import Callable, Iterator

_FACTORS = (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_ORDERED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
_SIGNS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_TURNING = frozenset("t mT T transpose permute flip movedim".split())
_SUMMING = frozenset("sum mean sum_to".split())
# From a tensor to a tensor: what is left without the call still runs more often than not.
_STEPS = frozenset(
    "to float exp expm1 log log1p sqrt rsqrt square abs neg sgn sign clamp clamp_min clamp_max detach clone expand "
    "reshape unsqueeze squeeze sigmoid tanh relu erf softmax log_softmax".split()
)
# Where two arguments that stand side by side are easily confused.
_CONFUSED = frozenset("where matmul tensordot save pad clamp".split())


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _without(call: ast.Call) -> ast.expr | None:
    """The tensor that a call starts from: ``x`` of ``x.sum(0)``, ``torch.sum(x, 0)`` and ``sum_to(x, shape)``."""
    if isinstance(call.func, ast.Attribute) and not _is_module(call.func.value):
        return call.func.value
    return call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "torch_F", "math")


def drop_a_factor(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, _FACTORS):
        yield node.left
        if isinstance(node.op, ast.Mult):
            yield node.right


def drop_a_term(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.BitAnd, ast.BitOr)):
        yield node.left
        yield ast.UnaryOp(ast.USub(), node.right) if isinstance(node.op, ast.Sub) else node.right


def flip_a_sign(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and (other := _SIGNS.get(type(node.op))):
        yield ast.BinOp(node.left, other(), node.right)
    elif isinstance(node, ast.AugAssign) and (other := _SIGNS.get(type(node.op))):
        yield ast.AugAssign(node.target, other(), node.value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Invert)):
        yield node.operand


def swap_operands(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, _ORDERED):
        yield ast.BinOp(node.right, node.op, node.left)


def swap_arguments(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and (name := _name(node)) in _CONFUSED:
        for i, (a, b) in enumerate(zip(node.args, node.args[1:], strict=False)):
            confused = i > 0 or name not in ("where", "save")  # whose first argument is of another kind
            if confused and not any(isinstance(x, ast.Starred) for x in (a, b)):
                yield ast.Call(node.func, [*node.args[:i], b, a, *node.args[i + 2 :]], node.keywords)


def lose_a_transpose(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Attribute) and node.attr in ("mT", "T") and isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Call) and _name(node) in _TURNING and (rest := _without(node)):
        yield rest


def drop_a_sum(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and _name(node) in _SUMMING and (rest := _without(node)):
        yield rest


def drop_a_step(node: ast.AST) -> Iterator[ast.expr]:
    if not isinstance(node, ast.Call):
        return
    name = _name(node)
    inplace = name.endswith("_") and isinstance(node.func, ast.Attribute)
    if (name in _STEPS or inplace) and (rest := _without(node)):
        yield rest
    elif name == "widen":
        yield ast.Tuple(node.args, ast.Load())


def change_a_comparison(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in _COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [*node.ops[:i], other(), *node.ops[i + 1 :]], node.comparators)


def change_a_constant(node: ast.AST) -> Iterator[ast.expr]:
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
        if value == 1:
            yield ast.Constant(0)
    elif isinstance(value, float):
        yield ast.Constant(2 * value if value else 1.0)


def confuse_and_with_or(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def drop_a_condition(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.BoolOp):
        for i in range(len(node.values)):
            rest = [*node.values[:i], *node.values[i + 1 :]]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand


def negate_a_condition(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and not _changed_elsewhere(node.test):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.IfExp) and not _changed_elsewhere(node.test):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.comprehension):
        for i, test in enumerate(node.ifs):
            if not _changed_elsewhere(test):
                ifs = [*node.ifs[:i], ast.UnaryOp(ast.Not(), test), *node.ifs[i + 1 :]]
                yield ast.comprehension(node.target, node.iter, ifs, node.is_async)


def ignore_a_condition(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.IfExp):
        yield node.body
    elif isinstance(node, ast.If):
        yield ast.If(ast.Constant(True), node.body, node.orelse)


def _changed_elsewhere(test: ast.expr) -> bool:
    """Whether another operator negates the condition already."""
    if isinstance(test, ast.Compare):
        return len(test.ops) == 1 and not isinstance(test.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)


def drop_a_statement(node: ast.AST) -> Iterator[ast.stmt]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()


OPERATORS: dict[str, Callable[[ast.AST], Iterator[ast.AST]]] = {
    f.__name__.replace("_", " "): f
    for f in (
        drop_a_factor,
        drop_a_term,
        flip_a_sign,
        swap_operands,
        swap_arguments,
        lose_a_transpose,
        drop_a_sum,
        drop_a_step,
        change_a_comparison,
        change_a_constant,
        confuse_and_with_or,
        drop_a_condition,
        negate_a_condition,
        ignore_a_condition,
        drop_a_statement,
    )
}

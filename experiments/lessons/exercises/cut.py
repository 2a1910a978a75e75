"""Cuts a student's file out of a complete answer, so that the two cannot drift apart.

>>> print(stub('''
... class Twice(torch.autograd.Function):
...     @staticmethod
...     def backward(ctx, grad_out):
...         \"\"\"To ∂L/∂x.\"\"\"
...         (x,) = ctx.saved_tensors
...         factor = 2
...         return factor * grad_out
... ''').strip())
class Twice(torch.autograd.Function):
    @staticmethod
    def backward(ctx, grad_out):
        \"\"\"To ∂L/∂x.\"\"\"
        (x,) = ctx.saved_tensors
        raise NotImplementedError("your turn: write the rest of backward")
"""

import ast

YOUR_TURN = "your turn: write the rest of backward"


def stub(source: str) -> str:
    """The source with the end of ``backward`` left out: its docstring stays, and the lines that read from ctx."""
    lines = source.splitlines(keepends=True)
    rest = written(source)
    first, last = rest[0], rest[-1]
    indent = " " * first.col_offset
    lines[first.lineno - 1 : last.end_lineno] = [f'{indent}raise NotImplementedError("{YOUR_TURN}")\n']
    return "".join(lines)


def written(source: str) -> list[ast.stmt]:
    """The statements of ``backward`` that a student has to find."""
    [backward] = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name == "backward"]
    body = backward.body[1:] if ast.get_docstring(backward) is not None else backward.body
    while _reads_from_ctx(body[0]):
        body = body[1:]
    return body


def _reads_from_ctx(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    return (
        isinstance(statement, ast.Assign)
        and isinstance(value, ast.Attribute)
        and isinstance(value.value, ast.Name)
        and value.value.id == "ctx"
    )

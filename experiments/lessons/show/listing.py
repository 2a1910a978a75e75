"""Source code as HTML: whole files, and of a hand-written rule its derivation and its backward."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from experiments.lessons.code import ROOT, Place
from manualnet.functional._function import Function

_FORMATTER = HtmlFormatter(nowrap=True)


def highlighted(source: str, language: str = "python") -> Markup:
    """The source, coloured by classes."""
    return Markup(highlight(source, get_lexer_by_name(language, stripnl=False), _FORMATTER))


def anchor(file: str, line: int | None = None) -> str:
    """The id of a file on the page, or of a line in it.

    >>> anchor("manualnet/functional/losses/hinge_loss.py", 40)
    'manualnet-functional-losses-hinge_loss-40'
    """
    name = re.sub(r"\W+", "-", file.removesuffix(".py"))
    return name if line is None else f"{name}-{line}"


def listing(file: str, places: Iterable[Place]) -> Markup:
    """The whole file; the lines where ``places`` begin can be linked to."""
    lines: list[str] = [*highlighted((ROOT / file).read_text(encoding="utf-8")).splitlines()]
    for line in {place.line for place in places if place.line > 1}:
        lines[line - 1] = f'<span class="place" id="{anchor(file, line)}">{lines[line - 1]}</span>'
    return Markup("\n".join(lines))


def rule(function: type[Function]) -> str:
    """A hand-written rule without its forward: the derivation above, the backward below.

    >>> from manualnet.functional.activations.relu import ReLU
    >>> source = rule(ReLU)
    >>> source.startswith("class ReLU(Function):"), "def backward(ctx, grad_out):" in source, "def forward" in source
    (True, True, False)
    """
    source = textwrap.dedent(inspect.getsource(function))
    (written,) = ast.parse(source).body
    assert isinstance(written, ast.ClassDef)
    head = source.splitlines()[: written.body[0].end_lineno if ast.get_docstring(written) else 1]
    return "\n".join([*head, "", inspect.getsource(function.backward).rstrip()])

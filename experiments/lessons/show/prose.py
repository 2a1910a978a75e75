"""Markdown with formulas as HTML: formulas as MathML, wide things in boxes that scroll, links that lead somewhere."""

import re
from collections.abc import Callable
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup

from experiments.lessons.show.listing import highlighted
from experiments.lessons.show.mathematics import INLINE, mathml, plain

LONG = 36  # characters of an inline formula that may not fit beside text on a phone


class Prose:
    """Turns Markdown into HTML.

    Args:
        link: gives the address that a link of the text becomes on the page; None makes it plain text.

    >>> prose = Prose(lambda address: None)
    >>> print(prose.text("See [S24](#s24), **now**."))
    <p>See S24, <strong>now</strong>.</p>
    >>> print(prose.line("`a_1` is a_1 < 3 * 4 * 5"))
    <code>a_1</code> is a<sub>1</sub> &lt; 3 * 4 * 5
    """

    def __init__(self, link: Callable[[str], str | None]) -> None:
        self._link = link
        self._blocks = MarkdownIt("commonmark").enable("table")
        self._blocks.core.ruler.push("links", self._resolve)
        self._blocks.core.ruler.push("cautions", _cautions)
        # A sentence of a row is text as it stands: no * or _ in it is a mark.
        self._lines = MarkdownIt("zero").enable("backticks")
        for markdown in (self._blocks, self._lines):
            markdown.inline.ruler.before("backticks", "math", _math)
            markdown.add_render_rule("math", lambda self, tokens, i, options, env: _inline(tokens[i].content))
        self._lines.add_render_rule("text", lambda self, tokens, i, options, env: _lowered(tokens[i].content))
        self._blocks.add_render_rule("fence", lambda self, tokens, i, options, env: _fence(tokens[i]))
        self._blocks.add_render_rule("table_open", lambda *_: '<div class="scroll"><table>\n')
        self._blocks.add_render_rule("table_close", lambda *_: "</table></div>\n")

    def text(self, markdown: str) -> Markup:
        """Paragraphs, tables and blocks."""
        return Markup(self._blocks.render(str(markdown)).strip())

    def line(self, text: str) -> Markup:
        """A sentence, in which `code` and formulas are set."""
        return Markup(self._lines.renderInline(str(text)))

    def _resolve(self, state: StateCore) -> None:
        for token in state.tokens:
            kept: list[Token] = []
            open_links: list[bool] = []
            for child in token.children or []:
                if child.type == "link_open":
                    address = self._link(str(child.attrGet("href")))
                    open_links.append(address is not None)
                    child.attrSet("href", address or "")
                if child.type not in ("link_open", "link_close") or open_links[-1]:
                    kept.append(child)
                if child.type == "link_close":
                    open_links.pop()
            if token.children is not None:
                token.children = kept


def formula(latex: str) -> Markup:
    r"""A formula in lines of its own; equations with \quad between them stand side by side if there is room."""
    parts = [part.strip() for part in re.split(r"\\q?quad\b", latex)]
    if any(part.count(opening) != part.count(closing) for part in parts for opening, closing in _PAIRS):
        parts = [latex]
    equations = "".join(mathml(part, display=True) for part in parts if part.strip(" ,"))
    return Markup(f'<div class="formula">{equations}</div>\n')


_PAIRS = ((r"\begin", r"\end"), (r"\left", r"\right"), ("{", "}"))


def _lowered(text: str) -> str:
    """Plain text in which W_1, dL/dw_ji and δ_k have an index that is one."""
    return re.sub(r"(?<!\w)([d∂]?[^\W\d_])_(\w{1,4})(?!\w)", r"\1<sub>\2</sub>", escapeHtml(text))


def _inline(latex: str) -> str:
    kind = "math long" if len(plain(latex)) > LONG else "math"
    return f'<span class="{kind}">{mathml(latex)}</span>'


def _math(state: StateInline, silent: bool) -> bool:
    found = INLINE.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("math", "", 0).content = found[1]
    state.pos = found.end()
    return True


def _fence(token: Token) -> str:
    if token.info.strip() == "math":
        return formula(token.content)
    if token.info.strip() == "python":
        kind = "pycon" if re.match(r"\s*>>>", token.content) else "python"
        return f"<pre><code>{highlighted(token.content, kind)}</code></pre>\n"
    return f"<pre><code>{escapeHtml(token.content)}</code></pre>\n"


def _cautions(state: StateCore) -> None:
    """Paragraphs that begin with ⚠ are to be seen as such."""
    for opening, content in pairwise(state.tokens):
        if opening.type == "paragraph_open" and content.content.startswith("⚠"):
            opening.attrSet("class", "caution")

"""Formulas, written in LaTeX, as MathML for a browser and as one line of text for a terminal."""

import re
import xml.etree.ElementTree as ET

from latex2mathml.converter import convert

INLINE = re.compile(r"\$`(.+?)`\$", re.DOTALL)
BLOCK = re.compile(r"^```math\n(.+?)\n```$", re.DOTALL | re.MULTILINE)

_NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
_UP = dict(zip(map(ord, "0123456789+-()niT⊤"), "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵀᵀ", strict=True))
_DOWN = dict(zip(map(ord, "0123456789+-()aeijkmnopstx"), "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑᵢⱼₖₘₙₒₚₛₜₓ", strict=True))
_SPACED = set("=≠≤≥<>+−-·×→⟶⟵←≈≡∈⊙⇒±")
_TIDIED = (
    (r"\s+", " "),
    (r"([(\[{‖]) ", r"\1"),
    (r" ([)\]},;]|‖[²^])", r"\1"),
    (r"([,;])(?=\S)", r"\1 "),
    (r"([a-z]{3,}) (?=[(_])", r"\1"),
)
# As TeX spaces them: a function stands off from its neighbours but for its bracket, and ∂, ∇, / and ‖ do not.
_SPACING = (
    (r"<m[io]>([a-z]{2,})</m[io]>", r'<mo lspace="0.167em" rspace="0.167em">\1</mo>'),
    (r' rspace="0.167em">(\w+</mo><mo[^>]*>&#x00028;)', r' rspace="0">\1'),
    (r"<mo>(&#x0(?:2202|2207|002F|2016);)</mo>", r'<mo lspace="0" rspace="0" stretchy="false">\1</mo>'),
)
_LARGE = {"∑": "Σ", "∏": "Π"}


def mathml(latex: str, display: bool = False) -> str:
    """The formula as a ``<math>`` element, in a line of its own if ``display``.

    >>> "<msup><mi>x</mi><mn>2</mn></msup>" in mathml("x^2")
    True
    """
    element = convert(latex, display="block" if display else "inline")
    for pattern, spaced in _SPACING:
        element = re.sub(pattern, spaced, element)
    return element


def plain(latex: str) -> str:
    r"""The formula in one line of text; a matrix takes one line too.

    >>> plain(r"a_j = \sum_{i=1}^{D} w_{ji} x_i + w_{j0}")
    'aⱼ = Σ(i=1…D) wⱼᵢ xᵢ + wⱼ₀'
    >>> plain(r"\sigma(a) = \frac{1}{1 + e^{-a}}")
    'σ(a) = 1 / (1 + e^(−a))'
    >>> plain(r"\frac{\partial L}{\partial a_k} = p_k \Bigl( g_k - \sum_j g_j\, p_j \Bigr)")
    '∂L/∂aₖ = pₖ(gₖ − Σⱼ gⱼ pⱼ)'
    """
    text = _text(ET.fromstring(convert(latex)))
    for pattern, tidy in _TIDIED:
        text = re.sub(pattern, tidy, text)
    return text.strip()


def _text(node: ET.Element) -> str:
    kind = node.tag.removeprefix(_NAMESPACE)
    parts = [_text(child) for child in node]
    if kind == "mfrac":
        return _fraction(*parts)
    if kind == "msqrt":
        return f"√({''.join(parts).strip()})"
    if kind in ("msub", "munder"):
        return parts[0] + _below(parts[1]) if parts[0].strip() not in _LARGE.values() else _large(*parts)
    if kind in ("msup", "mover"):
        return _hat(*parts) if kind == "mover" else parts[0] + _above(parts[1])
    if kind in ("msubsup", "munderover"):
        if parts[0].strip() in _LARGE.values():
            return _large(*parts)
        return parts[0] + _below(parts[1]) + _above(parts[2])
    if kind == "mtable":
        return "; ".join(parts)
    if kind == "mtr":
        return "  ".join(part.strip() for part in parts)
    if kind == "mspace":
        return "   " if node.get("width", "").startswith(("1em", "2em")) else " "
    return _sequence(node, parts) if len(node) else _sign(node.text or "")


def _sequence(node: ET.Element, parts: list[str]) -> str:
    """Neighbours side by side, with a space between two factors that would run into one word."""
    out = ""
    for child, part in zip(node, parts, strict=True):
        letters = out[-1:].isalnum() or out[-1:] in {*_DOWN.values(), *_UP.values(), ")"} - {"⁽", "₍"}
        factor = child.tag.removeprefix(_NAMESPACE) in ("msub", "msup", "msubsup", "mfrac") or part.startswith("Σ")
        differential = re.search(r"(^|[\s(/])d$", out)
        out += (" " if letters and factor and not differential else "") + part
    # A minus at the start is a sign, not a subtraction.
    return re.sub(r"^ − ", "−", re.sub(r"([(=,·/;]) *− ", r"\1 −", out)).replace("( −", "(−")


def _sign(text: str) -> str:
    text = _LARGE.get(text.strip(), text.strip())
    if text in _SPACED:
        return f" {text} "
    return f"{text} " if len(text) > 1 and text.isalpha() else text


def _fraction(above: str, below: str) -> str:
    above, below = above.strip(), below.strip()
    if (above, below) == ("1", "2"):
        return "½ "
    simple = re.compile(r"^[^\s+−]+$")
    tight = simple.match(above) and simple.match(below)
    wrapped = [t if simple.match(t) or re.match(r"^\([^()]*\)$", t) else f"({t})" for t in (above, below)]
    return "/".join(wrapped) if tight else " / ".join(wrapped)


def _large(sign: str, below: str, above: str = "") -> str:
    if above:
        return f"{sign}({below.strip().replace(' ', '')}…{above.strip()}) "
    return f"{sign.strip()}{_below(below)} "


def _below(text: str) -> str:
    return _small(text, _DOWN) or f"_{_wrapped(text)}"


def _above(text: str) -> str:
    return text.strip() if text.strip() in ("′", "'", "*") else _small(text, _UP) or f"^{_wrapped(text)}"


def _small(text: str, letters: dict[int, str]) -> str | None:
    """In raised or lowered letters, if Unicode has all of them."""
    text = text.strip().replace(" ", "")
    return "".join(letters[ord(c)] for c in text) if all(ord(c) in letters for c in text) else None


def _hat(letter: str, sign: str) -> str:
    return letter.strip() + {"^": "\u0302", "¯": "\u0304"}.get(sign.strip(), "")


def _wrapped(text: str) -> str:
    text = text.strip().replace(" ", "")
    return text if len(text) == 1 else f"({text})"

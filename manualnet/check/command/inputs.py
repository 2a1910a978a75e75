"""What ``--input`` and ``--kwarg`` say, drawn as the arguments of a call."""

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Generator, Tensor

from manualnet.check.command.mistake import Mistake, meant
from manualnet.check.spec import Sample

DRAWS = 3  # samples a check, so that no verdict hangs on one lucky draw
DTYPES = {
    name: getattr(torch, name)
    for name in "float64 float32 float16 bfloat16 double float half int64 int32 int16 int8 uint8 long int bool".split()
}
FORM = "write SHAPE[:DTYPE[:LOW..HIGH]] as in 3x4, 3x4:float32, 8:int64:0..9 or scalar, or =VALUE as in =0.5"

Drawn = Callable[[Generator], Any]


def samples(inputs: Iterable[str], kwargs: Iterable[str], seed: int) -> list[Sample]:
    """Calls with these arguments, each drawn from a seed of its own; floating tensors are differentiated.

    >>> [sample] = samples(["2x3", "4:int64:0..1", "=0.5"], ["reduction=sum"], seed=0)[:1]
    >>> sample.args[0].shape, sample.args[1].dtype, sample.args[2], sample.kwargs
    (torch.Size([2, 3]), torch.int64, 0.5, {'reduction': 'sum'})
    """
    args = [_argument(text, f"--input {text}") for text in inputs]
    named = dict(_named(text) for text in kwargs)
    found = []
    try:
        for s in range(seed, seed + DRAWS):
            generator = Generator().manual_seed(s)
            drawn = {name: draw(generator) for name, draw in named.items()}
            found.append(Sample(tuple(draw(generator) for draw in args), drawn, f"seed {s}"))
    except (RuntimeError, ValueError, OverflowError, TypeError) as error:
        said = str(error).partition("\n")[0]
        raise Mistake(f"a shape, a range or the seed is too large for PyTorch to draw from: {said}") from error
    if not found[0].inputs:
        raise Mistake("no input can be differentiated: one --input must be a floating tensor, as in --input 3x4")
    return found


def _named(text: str) -> tuple[str, Drawn]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise Mistake(f"--kwarg {text}: write NAME=VALUE, as in --kwarg reduction=sum")
    # A colon is in no literal but that of a dict or of text, so it tells a tensor.
    tensor = re.match(r"[\dx,]*:|scalar", value)
    return name, _argument(value if tensor else "=" + value, f"--kwarg {text}")


def _argument(text: str, told: str) -> Drawn:
    """``told`` is how the user said it, for messages."""
    if text.startswith("="):
        value = _literal(text[1:], told)
        return lambda generator: value
    parts = text.split(":")
    if len(parts) > 3:
        raise Mistake(f"{told}: {FORM}")
    size, kind, span = [*parts, "", ""][:3]
    return _tensor(_shape(size, told), kind or "float64", span, told)


def _literal(text: str, told: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if text.isidentifier():  # a shell takes quotes away
            return text
        raise Mistake(f"{told}: {text!r} is not a Python literal, as 0.5, True, None, 'mean' and [1, 2] are") from None


def _shape(text: str, told: str) -> tuple[int, ...]:
    if text in ("", "scalar"):
        return ()
    if not re.fullmatch(r"\d+([x,]\d+)*,?", text):
        raise Mistake(f"{told}: {text!r} is not a shape; {FORM}")
    return tuple(int(n) for n in re.findall(r"\d+", text))


def _tensor(shape: tuple[int, ...], kind: str, span: str, told: str) -> Drawn:
    kind = kind.removeprefix("torch.")
    if kind not in DTYPES:
        raise Mistake(f"{told}: {kind!r} is not a real dtype of PyTorch{meant(kind, DTYPES)}")
    dtype = DTYPES[kind]
    low, high = _span(span, dtype, told) if span else (0, 9)

    def draw(generator: Generator) -> Tensor:
        if dtype == torch.bool:
            return torch.randint(0, 2, shape, generator=generator).bool()
        if not dtype.is_floating_point:
            return torch.randint(int(low), int(high) + 1, shape, generator=generator).to(dtype)
        if not span:
            x = torch.randn(shape, generator=generator, dtype=torch.float64)
        else:
            x = low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
        return x.to(dtype).requires_grad_()

    return draw


def _span(text: str, dtype: torch.dtype, told: str) -> tuple[float, float]:
    number = float if dtype.is_floating_point else int
    low, dots, high = text.partition("..")
    try:
        ends = number(low), number(high)
    except ValueError:
        ends = (1, 0)
    if dtype == torch.bool or not dots or not ends[0] <= ends[1]:
        what = "bool takes no range" if dtype == torch.bool else f"{text!r} is not a range of {dtype}"
        raise Mistake(f"{told}: {what.replace('torch.', '')}; {FORM}")
    return ends

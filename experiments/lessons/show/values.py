"""Values as the lecture writes them: six digits after the point at most, and no zeros to fill them."""

from typing import Any

import torch
from torch import Tensor

ROUND_OFF = 1e-12
SHOWN = 24  # numbers of a tensor that are still read one by one


def written(value: Any, digits: int = 6) -> str:
    """A number, list or tensor in one line; a large tensor as its shape and range.

    >>> written(torch.tensor([0.5, 0.8021838885])), written([[1.0, -2.5], [0, 3]]), written(torch.zeros(10, 3072))
    ('[0.5, 0.802184]', '[[1, −2.5], [0, 3]]', '10×3072, from 0 to 0')
    """
    if isinstance(value, Tensor) and value.numel() > SHOWN:
        low, high = value.min().item(), value.max().item()
        shape = "×".join(map(str, value.shape))
        return f"{shape}, from {written(low, digits)} to {written(high, digits)}"
    if isinstance(value, Tensor):
        # float32 is shown by its own seven digits, not by those that float64 adds.
        value = value.tolist()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(v, digits) for v in value) + "]"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return _number(value, digits)


def _number(value: float, digits: int) -> str:
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if value != value or abs(value) == torch.inf:
        return str(value).replace("-", "−").replace("inf", "∞").replace("nan", "NaN")
    if abs(value) < ROUND_OFF:
        return "0"
    if abs(value) < 10.0**-digits * 10 or abs(value) >= 1e7:
        return f"{value:.2e}".replace("-", "−")
    text = f"{value:.{digits}f}"
    text = (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
    return "0" if text == "−0" else text

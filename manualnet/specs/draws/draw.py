"""What calls are drawn from: integers, and what can be made of them."""

from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


class Draw(ABC):
    """Draws shapes, tensors and parameters from integers, so that whoever supplies the integers drives everything.

    The lowest integer and the first option are the simplest: what shrinks the integers shrinks the call.

    >>> draw = Seeded(8)
    >>> x = draw.tensor(draw.shape())
    >>> x.shape, x.dtype, draw.one_of("mean", "sum", "none")
    (torch.Size([1, 2, 2]), torch.float64, 'sum')
    """

    def __init__(self, dtype: torch.dtype = torch.float64, room: int = 1) -> None:
        self.dtype = dtype  # of the tensors, where no other is asked for
        self.room = room  # for axes to grow: their product, about

    @abstractmethod
    def integer(self, low: int, high: int) -> int:
        """One of ``low``, …, ``high``."""

    def one_of(self, *options: T) -> T:
        return options[self.integer(0, len(options) - 1)]

    def often(self) -> bool:
        return self.integer(0, 9) < 8

    def rarely(self) -> bool:
        return self.integer(0, 19) == 19

    def side(self, low: int, high: int) -> int:
        """How long an axis is: from ``low`` to ``high``, or longer where there is room."""
        n = self.integer(low, high)
        if n and self.room > 1:
            doublings = self.integer(0, 2 * self.room.bit_length() // 3)
            n = min((n << doublings) + self.integer(0, 1), max(n, self.room))
            self.room //= n
        return n

    def number(self, low: float, high: float) -> float:
        """A multiple of 1/8, which every floating type holds exactly."""
        return self.integer(round(low * 8), round(high * 8)) / 8

    def shape(self, min_dims: int = 0, max_dims: int = 4, max_side: int = 4) -> tuple[int, ...]:
        """Rarely an empty one."""
        sides = [self.side(1, max_side) for _ in range(self.integer(min_dims, max_dims))]
        if sides and self.rarely():
            sides[self.integer(0, len(sides) - 1)] = 0
        return tuple(sides)

    def other_dtype(self) -> torch.dtype:
        """Mostly the one of all tensors, at times another."""
        return self.dtype if self.often() else self.one_of(*FLOATS)

    def tensor(
        self,
        shape: tuple[int, ...],
        low: float = -4.0,
        high: float = 4.0,
        grad: bool | None = None,
        dtype: torch.dtype | None = None,
        rounds: bool = True,
    ) -> Tensor:
        """Numbers from ``low`` to ``high``, in any order of memory.

        Multiples of 1 or of 1/8 meet kinks and ties exactly, and their sums are exact; others, drawn unless ``rounds``
        is False, make every step round. ``grad`` of None leaves it to the draw whether the tensor is differentiated.
        """
        generator = torch.Generator().manual_seed(self.integer(0, 1 << 16))
        steps = self.one_of(8, 1, 0) if rounds else self.one_of(8, 1)
        if steps:
            integers = torch.randint(round(low * steps), round(high * steps) + 1, shape, generator=generator)
            values = integers.double() / steps
        else:
            values = low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
        values = self.laid_out(values.to(dtype or self.dtype))
        return values.requires_grad_(self.often() if grad is None else grad)

    def classes(self, count: int, *shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.integer(0, 1 << 16))
        return self.laid_out(torch.randint(max(1, count), shape, generator=generator))

    def laid_out(self, values: Tensor) -> Tensor:
        """The same numbers in another order of memory; where they are expanded, the first along an axis for all."""
        layout = self.one_of("contiguous", "transposed", "gaps", "expanded", "channels last")
        if layout == "gaps":
            # Every second element, and what lies between must not be read.
            spoilt = float("nan") if values.is_floating_point() else -1 << 40
            return torch.stack([torch.full_like(values, spoilt), values], -1)[..., 1]
        if layout == "channels last" and values.dim() == 4:
            return values.contiguous(memory_format=torch.channels_last)
        if values.dim() and layout in ("transposed", "channels last"):
            return values.transpose(0, -1).contiguous().transpose(0, -1)
        if values.numel() and values.dim() and layout == "expanded":
            axis = self.integer(0, values.dim() - 1)
            return values.narrow(axis, 0, 1).expand(values.shape)
        return values


class Seeded(Draw):
    """Draws from a seeded generator.

    Args:
        seed: the same seed draws the same.
        dtype: of the tensors.
        room: for axes to grow, a number of elements.
    """

    def __init__(self, seed: int, dtype: torch.dtype = torch.float64, room: int = 1) -> None:
        super().__init__(dtype, room)
        self.generator = torch.Generator().manual_seed(seed)

    def integer(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=self.generator))

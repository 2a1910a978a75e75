"""What the terminal shows of a run: a bar where there is a terminal, a line an epoch where there is none."""

import os
import sys

from torch import Tensor
from tqdm import tqdm

from experiments.training.train import Progress


class Terminal:
    """Loss and accuracy since the epoch began, pictures a second, time left."""

    def __init__(self, pictures: int, done: int = 0):
        self._interactive = sys.stderr.isatty()
        self._bar = tqdm(
            total=pictures,
            initial=done,
            unit=" pictures",
            unit_scale=True,
            disable=not self._interactive,
            dynamic_ncols=True,
        )
        self._reset()

    def _reset(self) -> None:
        self._loss: Tensor | float = 0.0
        self._right: Tensor | float = 0.0
        self._seen = 0

    def step(self, progress: Progress) -> None:
        # Reading the numbers waits for a GPU: as often as an eye can follow.
        self._loss = self._loss + progress.loss * progress.examples
        self._right = self._right + progress.right
        self._seen += progress.examples
        self._bar.update(progress.examples)
        if self._interactive and (progress.step % 10 == 0 or progress.step == progress.steps or self._seen < 5000):
            loss, accuracy = self._means()
            self._bar.set_description(f"epoch {progress.epoch + 1} · loss {loss:.3f} · accuracy {accuracy:.1%}")

    def epoch(self, number: int, seconds: float, validation: float | None) -> None:
        loss, accuracy = self._means()
        line = f"epoch {number:3d}   loss {loss:.4f}   accuracy {accuracy:6.2%}"
        if validation is not None:
            line += f"   validation {validation:6.2%}"
        self.say(f"{line}   {self._seen / max(seconds, 1e-9):,.0f} pictures/s")
        self._reset()

    def say(self, line: str) -> None:
        """Above the bar, if there is one; where nobody reads any more, as behind ``| head``, training goes on."""
        try:
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def close(self) -> None:
        self._bar.close()

    def _means(self) -> tuple[float, float]:
        seen = max(1, self._seen)
        return float(self._loss) / seen, float(self._right) / seen

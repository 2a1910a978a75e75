"""Figures in TensorBoard, under the name of their row."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.lessons.work import Drawing


class Board:
    """A TensorBoard run that holds figures; it is started with the first one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def add(self, drawing: Drawing, figure: Figure) -> None:
        if self._writer is None:
            # Slow to import, and many calls draw nothing.
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder))
        row, _, rest = drawing.name.partition("-")
        self._writer.add_figure(f"{row}/{rest or row}", figure)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

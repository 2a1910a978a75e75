"""What a stream can show: how wide it is, whether it takes colours, and which characters it can write."""

import os
import shutil
import textwrap
from dataclasses import dataclass
from typing import IO

from manualnet.check.report import Status

MARKS: dict[Status, tuple[str, str]] = {"passed": ("✓", "+"), "failed": ("✗", "X"), "does not apply": ("–", "-")}
COLOURS: dict[Status, str] = {"passed": "32", "failed": "31", "does not apply": "2"}


@dataclass(frozen=True)
class Screen:
    """Where text is shown.

    >>> Screen(40).mark("passed"), Screen(40, encoding="ascii").mark("passed")
    ('✓', '+')
    """

    width: int = 80
    colour: bool = False
    encoding: str = "utf-8"

    @staticmethod
    def of(stream: IO[str] | None, colour: bool = True) -> "Screen":
        """What ``stream`` can show. Colours are for terminals, and for people who have not set ``NO_COLOR``."""
        terminal = bool(stream and stream.isatty()) and os.environ.get("TERM") != "dumb"
        return Screen(
            max(20, shutil.get_terminal_size().columns),
            colour and terminal and not os.environ.get("NO_COLOR"),
            getattr(stream, "encoding", None) or "utf-8",
        )

    def mark(self, status: Status) -> str:
        rich, plain = MARKS[status]
        return self.paint(rich if self.can_write(rich) else plain, COLOURS[status])

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and text else text

    def can_write(self, text: str) -> bool:
        return self.written(text) == text

    def written(self, text: str) -> str:
        """The text with what the stream cannot write replaced."""
        return text.encode(self.encoding, "replace").decode(self.encoding)

    def fill(self, text: str, first: str = "", rest: str = "") -> str:
        """The text broken into lines, each starting as told."""
        return textwrap.fill(
            text,
            self.width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )

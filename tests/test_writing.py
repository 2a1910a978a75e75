"""docs/writing-a-function.md: its code runs, and its commands print what it says. Run as a program, this writes the
outputs anew."""

import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
import torch

from manualnet.check.command.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "writing-a-function.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:.*\\\n)*.*\n")  # with what follows a backslash
WIDTH = "100"


def page_with_outputs(text, folder):
    """The page with the outputs that its commands print, run in ``folder`` on the files that it builds there."""

    def block(match):
        kind, content = match.groups()
        if kind == "python":
            first, _, rest = content.partition("\n")
            with (folder / first.removeprefix("# ")).open("a", encoding="utf-8") as file:
                file.write(rest + "\n\n")
            return match[0]
        command = COMMAND.match(content)[0]
        return f"```console\n{command}{printed(command, folder)}```"

    return BLOCK.sub(block, text)


def printed(command, folder):
    match shlex.split(command.replace("\\\n", " ")):
        case ["$", "python", "-m", "manualnet.check", *args]:
            sys.modules.pop("swish", None)  # it has grown
            output = io.StringIO()
            args, end = (args[: args.index("|")], int(args[-1][1:])) if "|" in args else (args, None)
            with redirect_stdout(output):
                main(args)
            return "".join(output.getvalue().splitlines(keepends=True)[:end])
        case ["$", "pytest", *args]:
            pytest_itself = [sys.executable, "-m", "pytest", *args]
            return subprocess.run(pytest_itself, cwd=folder, capture_output=True, text=True, check=False).stdout
    raise AssertionError(f"the page has a command that nobody runs: {command}")


def rough(text):
    """The text without what differs from machine to machine: roundings and seconds."""
    return re.sub(r"-?\d+\.\d+(e[+-]\d+)?", "#", text)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", WIDTH)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("swish", None)
    torch.set_num_threads(threads)


def test_commands_print_what_the_page_says(folder):
    text = PAGE.read_text(encoding="utf-8")
    printed_now = BLOCK.findall(rough(page_with_outputs(text, folder)))
    for (_, said), (_, now) in zip(BLOCK.findall(rough(text)), printed_now, strict=True):
        assert said.splitlines() == now.splitlines(), "if that is right, run: python tests/test_writing.py"
    *_, row = re.findall(r"^Swish .*$", text, re.MULTILINE)
    assert "✓" in row
    assert "✗" not in row


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, COLUMNS=WIDTH):
        os.chdir(name)
        PAGE.write_text(page_with_outputs(PAGE.read_text(encoding="utf-8"), Path(name)), encoding="utf-8")

"""Proofs in several processes: what becomes of one that dies, and of Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

import pytest

FILE = """
import os, signal, time
from pathlib import Path

def good(x):
    return x * x

def dies(x):
    Path("called").touch()
    if Path("kill").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1000)
"""
COMMAND = [sys.executable, "-m", "manualnet.check", "own.py:dies", "own.py:good", "--input", "3", "--jobs", "2"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def start(folder):
    (folder / "own.py").write_text(FILE)
    return subprocess.Popen(
        [*COMMAND, "--only", "value,numeric-gradient"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts what runs in its background with interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def eventually(condition):
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_dies_is_reported_and_the_others_go_on(tmp_path):
    (tmp_path / "kill").touch()
    process = start(tmp_path)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (1, "")
    assert out.splitlines()[1:3] == ["dies ✗", "good – ✓"]
    assert "✗ dies: value" in out
    assert "ended with signal SIGKILL" in out
    assert "python -m manualnet.check own.py:dies" in " ".join(out.split())


def test_an_interrupt_ends_all_processes_in_one_line(tmp_path):
    process = start(tmp_path)
    try:
        assert eventually((tmp_path / "called").exists)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (130, "", "\nmanualnet.check: interrupted\n")
        assert eventually(lambda: not lives(process.pid))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

"""The command line: ``python -m manualnet.check``."""

import argparse
import faulthandler
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NoReturn

from manualnet import __version__
from manualnet.check.command.matrix import render_matrix
from manualnet.check.command.mistake import Mistake
from manualnet.check.report import Report, Result
from manualnet.check.screen import Screen
from manualnet.check.table import render_report

PROGRAM = "python -m manualnet.check"
HELP = f"""\
Check a torch.autograd.Function property by property: what is right, what
composes with PyTorch, what is wrong and how to mend it.

  all of manualnet      {PROGRAM}
  some of it            {PROGRAM} sigmoid relu
  your Function         {PROGRAM} swish.py:Swish --input 3x4
  your Spec             {PROGRAM} package.swish:SWISH
"""
INPUT = """\
an argument, in order: SHAPE[:DTYPE[:LOW..HIGH]], drawn normal, between 0 and 9 if an integer, or in the range, both
ends included (3x4, 3x4:float32:0..1, 8:int64:0..2, scalar), or =VALUE for anything else (=0.5, =None, =mean)"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Mistake(message)


def parser() -> argparse.ArgumentParser:
    made = _Parser(
        prog=PROGRAM,
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit status: 0 if nothing failed, 1 if something did, 2 if the command line cannot be followed.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("targets", nargs="*", metavar="TARGET", help="a function of manualnet, MODULE:NAME or PATH.py:NAME")
    add("--input", action="append", default=[], metavar="INPUT", help=INPUT)
    add("--kwarg", action="append", default=[], metavar="NAME=VALUE", help="a keyword argument, a value or an INPUT")
    add(
        "--reference", metavar="TARGET", help="the same function differentiated by PyTorch, as torch.nn.functional:silu"
    )
    add("--seed", type=int, default=0, help="of the drawn inputs (default: %(default)s)")
    add("--hand-written", action="store_true", help="claim that no gradient is PyTorch's, and check that")
    add("--only", action="append", default=[], metavar="NAMES", help="these properties or functions, with commas")
    add("--skip", action="append", default=[], metavar="NAMES", help="not these properties or functions")
    add("--jobs", type=int, metavar="N", help="processes for several functions (default: one a core)")
    add(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE.json",
        help="write reports as JSON, to standard output if no file is named",
    )
    add("--list", action="store_true", help="show the properties, with what they claim, and manualnet's functions")
    add("--version", action="version", version=f"manualnet {__version__}")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        return _run(parser().parse_intermixed_args(argv))
    except Mistake as mistake:
        print(f"manualnet.check: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmanualnet.check: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(args: argparse.Namespace) -> int:
    _validate(args)
    # Imported here: torch takes seconds, and neither --help nor a mistake above needs it.
    import torch
    from tqdm import tqdm

    from manualnet.check.command.jobs import prove_all
    from manualnet.check.command.request import Request
    from manualnet.check.command.selection import listing, select

    screen = Screen.of(sys.stdout)
    if args.list:
        print(screen.written(listing(screen)))
        return 0
    start = time.perf_counter()
    if not faulthandler.is_enabled():
        faulthandler.enable()
    torch.set_num_threads(1)
    chosen = select(args.targets, args.only, args.skip)
    request = Request(
        tuple(args.input),
        tuple(args.kwarg),
        args.reference,
        args.seed,
        args.hand_written,
        chosen.properties,
    )
    count = len(chosen.targets) * len(chosen.properties)
    # What the function or its file prints is no part of the result.
    with redirect_stdout(sys.stderr), tqdm(total=count, disable=None, leave=False, unit="check") as bar:

        def each(target: str, result: Result) -> None:
            bar.set_postfix_str(f"{target}: {result.property}", refresh=False)
            bar.update()

        reports = prove_all(chosen.targets, request, args.jobs or _cores(), each)
    seconds = time.perf_counter() - start
    if args.json == "-":
        print(_as_json(reports, seconds))
    else:
        print(render_report(reports[0], screen) if len(reports) == 1 else render_matrix(reports, screen, seconds))
    if args.json and args.json != "-":
        _write(Path(args.json), _as_json(reports, seconds))
    return 0 if all(r.passed for r in reports) else 1


def _validate(args: argparse.Namespace) -> None:
    """What can be said without importing anything."""
    if args.jobs is not None and args.jobs < 1:
        raise Mistake(f"--jobs is {args.jobs}, it must be 1 or more")
    if args.json and args.json != "-":
        if not args.json.endswith(".json"):
            raise Mistake(f"--json {args.json}: a file ends in .json; for standard output put --json last, or --json -")
        if not Path(args.json).absolute().parent.is_dir():
            raise Mistake(f"--json {args.json}: there is no such folder")
    if (args.input or args.kwarg or args.reference) and not args.targets:
        raise Mistake("--input, --kwarg and --reference need a TARGET, as in swish.py:Swish")


def _as_json(reports: Sequence[Report], seconds: float) -> str:
    import torch

    from manualnet.check.properties import PROPERTIES

    found = {
        "manualnet": __version__,
        "torch": torch.__version__,
        "passed": all(r.passed for r in reports),
        "seconds": round(seconds, 1),
        "claims": {name: PROPERTIES[name].claim for report in reports for name in (r.property for r in report)},
        "reports": [r.as_dict() for r in reports],
    }
    return json.dumps(found, indent=2, allow_nan=False)


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    partial = file.with_suffix(".part")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Mistake(f"--json {file}: it cannot be written ({error.strerror})") from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""One function's report as text for a terminal."""

import sys
from collections import Counter
from collections.abc import Sequence

from manualnet.check.report import Report, Result
from manualnet.check.screen import Screen

NARROWEST = 34  # columns for the sentence; with fewer it goes under its row


def render_report(report: Report, screen: Screen | None = None) -> str:
    """A table with a row a property, then what failed and how to mend it, then what else was noticed."""
    screen = screen or Screen.of(sys.stdout, colour=False)
    parts = [_table(report, screen)]
    if report.failures:
        parts.append(render_failures(report, screen))
    if report.notes:
        parts.append("\n".join(screen.fill(note, "note: ", "      ") for note in report.notes))
    parts.append(screen.fill(f"{report.name}: {summary([report])}"))
    return screen.written("\n\n".join(parts))


def render_failures(report: Report, screen: Screen, of: str = "") -> str:
    """What failed, where, and how to mend it. Properties that failed of the same cause are told together."""
    return "\n\n".join(_failure(results, screen, of) for results in report.causes)


def _failure(results: list[Result], screen: Screen, of: str) -> str:
    names = of + ", ".join(r.property for r in results)
    places = dict.fromkeys(r.where for r in results if r.where not in r.wrong)
    lines = [screen.fill(names, "", "  ").replace(names, screen.paint(names, "1"))]
    said = [("wrong", results[0].wrong), *(("where", p) for p in places)]
    said += [("mend", m) for m in dict.fromkeys(r.mend for r in results)]
    lines += [screen.fill(text, f"  {label:5}  ", " " * 9) for label, text in said if text]
    return f"{screen.mark('failed')} " + "\n".join(lines)


def _table(report: Report, screen: Screen) -> str:
    from manualnet.check.properties import PROPERTIES

    claims = {name: p.claim for name, p in PROPERTIES.items()}
    names = max(len("property"), *(len(r.property) for r in report))
    lines = [screen.paint(f"  {'property':{names}}    error  allowed", "1")]
    for r in report:
        row = f"{r.property:{names}}  {_number(r.error)}  {_number(r.bound)}"
        said = r.why or claims.get(r.property, "")
        start = len(row) + 4
        inline = screen.width - start >= NARROWEST
        indent = " " * (start if inline else 4)
        text = screen.fill(said, indent, indent)
        head = f"{screen.mark(r.status)} {row.rstrip() if not inline else row + '  '}"
        lines.append(head + (text[start:] if inline else "\n" + text))
    return "\n".join(lines)


def _number(x: float | None) -> str:
    return f"{'' if x is None else f'{x:.1e}':>7}"


def summary(reports: Sequence[Report], seconds: float | None = None) -> str:
    """How many results passed, failed and do not apply, and how long it took."""
    results = [r for report in reports for r in report]
    count = Counter(r.status for r in results)
    out = count["does not apply"]
    counts = f"{count['passed']:,} passed, {count['failed']:,} failed, {out:,} do{'es' if out == 1 else ''} not apply"
    return f"{counts}; {sum(r.seconds for r in results) if seconds is None else seconds:.1f} s"

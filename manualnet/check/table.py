"""Reports as text for a terminal."""

from manualnet.check.report import Report


def render_report(report: Report) -> str:
    """One function's report, a line a property."""
    lines = [f"{r.property}: {r.status}{' - ' + (r.wrong or r.why) if r.wrong or r.why else ''}" for r in report]
    return "\n".join([report.name, *lines, *report.notes])
